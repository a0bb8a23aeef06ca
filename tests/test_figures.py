"""Reports: tables in Markdown."""

from gatllm.figures import markdown_table


def test_a_table_names_its_columns_and_keeps_bars_inside_cells() -> None:
    made = markdown_table(("what", "how many"), [("a|b", 1), ("c", 2_000)], numbers=[1])
    assert made == "| what | how many |\n|---|---:|\n| a\\|b | 1 |\n| c | 2000 |"
    assert markdown_table(("", ""), []) == "|  |  |\n|---|---|"
