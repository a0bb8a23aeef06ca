"""Code to datasets: sources, verdicts, corruption, dataset folders."""

from gatllm.data.building import build, build_negative
from gatllm.data.corruption import Corruption, corrupt
from gatllm.data.dataset import Dataset, DatasetWriter
from gatllm.data.families import FAMILIES, Family
from gatllm.data.functions import Function, docstring_pairs, functions
from gatllm.data.manifest import Contributor, Manifest
from gatllm.data.sources import SourceFile, open_source
from gatllm.data.split import module_of, split_of
from gatllm.data.verdicts import Judge, Reason, Verdict, check_paths

__all__ = [
    "FAMILIES",
    "Contributor",
    "Corruption",
    "Dataset",
    "DatasetWriter",
    "Family",
    "Function",
    "Judge",
    "Manifest",
    "Reason",
    "SourceFile",
    "Verdict",
    "build",
    "build_negative",
    "check_paths",
    "corrupt",
    "docstring_pairs",
    "functions",
    "module_of",
    "open_source",
    "split_of",
]
