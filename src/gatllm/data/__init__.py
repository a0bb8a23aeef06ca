"""Code to datasets: sources, verdicts, corruption, dataset folders."""

from gatllm.data.admission import Options
from gatllm.data.breaking import build_negative
from gatllm.data.building import build
from gatllm.data.conversations import PackingReport, Row, pack, render
from gatllm.data.conversing import converse
from gatllm.data.corruption import Corruption, corrupt
from gatllm.data.course import build_course
from gatllm.data.curriculum import Curriculum
from gatllm.data.dataset import Dataset, DatasetWriter
from gatllm.data.examples import Example, read_examples
from gatllm.data.families import FAMILIES, Family
from gatllm.data.functions import Function, docstring_pairs, functions
from gatllm.data.loader import Loader, Sampling
from gatllm.data.manifest import Contributor, Manifest
from gatllm.data.mining import mine
from gatllm.data.report import write_report
from gatllm.data.running import running
from gatllm.data.shards import Shards, ShardWriter
from gatllm.data.sources import Columns, Rows, SourceFile, open_source
from gatllm.data.split import Division, divide, module_of, split_of
from gatllm.data.summary import Summary
from gatllm.data.texts import texts
from gatllm.data.tokenizing import tokenize
from gatllm.data.verdicts import Judge, Reason, Rules, Verdict, check_paths

__all__ = [
    "FAMILIES",
    "Columns",
    "Contributor",
    "Corruption",
    "Curriculum",
    "Dataset",
    "DatasetWriter",
    "Division",
    "Example",
    "Family",
    "Function",
    "Judge",
    "Loader",
    "Manifest",
    "Options",
    "PackingReport",
    "Reason",
    "Row",
    "Rows",
    "Rules",
    "Sampling",
    "ShardWriter",
    "Shards",
    "SourceFile",
    "Summary",
    "Verdict",
    "build",
    "build_course",
    "build_negative",
    "check_paths",
    "converse",
    "corrupt",
    "divide",
    "docstring_pairs",
    "functions",
    "mine",
    "module_of",
    "open_source",
    "pack",
    "read_examples",
    "render",
    "running",
    "split_of",
    "texts",
    "tokenize",
    "write_report",
]
