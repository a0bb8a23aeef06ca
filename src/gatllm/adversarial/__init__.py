"""Adversarial rounds: generator and discriminator improve each other, with the critics as referee.

Break-it-fix-it (Yasunaga and Liang 2021): a breaker learns which errors the discriminator misses, and what no critic
and no test can tell from the original is not an error. The generator's samples, and tokens that it would have put in a
token's place, are fakes beside real code (replaced-token detection, Clark et al. 2020); real code that is falsely
accused is shown as real. In turn the generator learns from those of its answers that the discriminator and the critics
like best, beside teacher forcing. No gradients go from one model into the other: for text they do worse than
likelihood training (Caccia et al. 2020). Last comes training on mined mistakes, where there are any.
"""

from gatllm.adversarial.game import Settings
from gatllm.adversarial.page import rows
from gatllm.adversarial.rounds import LOG, play
from gatllm.adversarial.standing import Standing

__all__ = ["LOG", "Settings", "Standing", "play", "rows"]
