"""Formatting through errors: what is sound is formatted, what is broken stays as it was."""

import random
import re

import pytest

from gatllm.editor.formatting import format_text, ruff_format, through
from gatllm.review import Reviewer, compile_error
from tests.editor.client import Client, applied

SOUND = """import os
import sys
@decorate( x )
def first(a,b):
    if a==b : return {'a':1,
        'b':2}
    for i in range(10) :
        print( i )
    else :
        pass
    try :
        os.remove( a )
    except OSError as error :
        raise error
    finally :
        print( 'x' )
class Big( object ):
    def method( self ) :
        return  f( 1,2 )
    async def other( self ) :
        with open( 'a' ) as file :
            return  await file
x = { 'a':1 }
while x :
    x.pop( )
match x :
    case 1 :
        pass
"""
BREAKS = [
    ("def first(a,b):", "def first(a,b:"),
    ("if a==b :", "if a==b"),
    ("for i in range(10) :", "for i in range(10)"),
    ("print( i )", "print( i"),
    ("else :", "else"),
    ("try :", "try"),
    ("except OSError as error :", "except OSError as error"),
    ("finally :", "finally"),
    ("class Big( object ):", "class Big( object )"),
    ("def method( self ) :", "def method( self ):)"),
    ("return  f( 1,2 )", "return  f( 1,2 ))"),
    ("with open( 'a' ) as file :", "with open( 'a' as file :"),
    ("x = { 'a':1 }", "x = { 'a':1 ]"),
    ("while x :", "while x"),
    ("case 1 :", "case 1"),
    ("import sys", "import sys sys"),
    ("raise error", "rise error error"),
]


@pytest.mark.parametrize(("whole", "broken"), BREAKS)
def test_the_rest_is_formatted_and_the_error_stays(whole: str, broken: str) -> None:
    text = SOUND.replace(whole, broken)
    assert compile_error(text) is not None
    formatted = through(text, SOUND, "x.py")
    assert formatted is not None
    assert formatted.count(broken) == 1
    assert compile_error(formatted) is not None
    sound = ruff_format(SOUND, "x.py")
    assert sound is not None
    lines = formatted.split("\n")
    missing = [line for line in sound.split("\n") if line not in lines]
    assert len(missing) <= 4, (missing, formatted)
    assert through(formatted, formatted.replace(broken, whole), "x.py") == formatted  # formatting again changes nothing


def test_a_text_that_no_one_can_repair_is_formatted_around_the_error() -> None:
    text = "x = { 'a':1 }\ndef f( a ):\n    ?? is $ ( no [ python\n    return  a\ny = ( 2 )\n"
    formatted = format_text(Reviewer(), text)
    assert formatted == 'x = {"a": 1}\n\n\ndef f(a):\n    ?? is $ ( no [ python\n    return a\n\n\ny = 2\n'


def test_what_compiles_is_what_ruff_makes_of_it() -> None:
    assert format_text(Reviewer(), SOUND) == ruff_format(SOUND, "x.py")


def test_no_character_of_any_statement_is_lost() -> None:
    rng = random.Random(1)
    marks = [at for at, letter in enumerate(SOUND) if letter in "()[]{}:"]
    for at in rng.sample(marks, 20):
        text = SOUND[:at] + SOUND[at + 1 :]
        if compile_error(text) is None:
            continue
        formatted = format_text(Reviewer(), text)
        if formatted is not None:
            # Ruff may put quotes, commas and brackets of its own; no word may come or go.
            assert re.findall(r"\w+", formatted) == re.findall(r"\w+", text)


def test_an_editor_gets_edits(tmp_path: object) -> None:
    text = "x = { 'a':1 }\r\ndef f(a, b:\r\n    return  a\r\n"
    with Client() as editor:
        editor.open("file:///somewhere/f.py", text)
        edits = editor.format("file:///somewhere/f.py")
        assert applied(text, edits) == 'x = {"a": 1}\r\n\r\n\r\ndef f(a, b:\r\n    return a\r\n'
        editor.open("file:///somewhere/g.py", "x = 1\n")
        assert editor.format("file:///somewhere/g.py") == []
