"""Two lexers over one table of words and operators.

`strict` is for code that parses: a string is one token, broken (or left alone) as a whole. `lenient` is for text that
may be broken already: a quote may be missing, so that the words of a string are lexemes like those of code.
"""
