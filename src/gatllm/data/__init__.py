"""Code to datasets: sources, verdicts, corruption, dataset folders."""
