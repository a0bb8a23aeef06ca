"""Rewards: what an answer that a model wrote itself is worth."""

from gatllm.training.rewards.choosing import REWARDS, load_reward
from gatllm.training.rewards.reward import Asked, Judged, Reward

__all__ = ["REWARDS", "Asked", "Judged", "Reward", "load_reward"]
