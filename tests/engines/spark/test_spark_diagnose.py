"""What is said of an error of Spark's, of Java's or of a task's."""

from __future__ import annotations

import pytest

from aerospike_magic.engines.lexer import SPARK
from aerospike_magic.engines.parameters import bind_parameters
from aerospike_magic.engines.spark.diagnose import Context, query_error
from aerospike_magic.engines.spark.statements import read_statement


def told(error):
    statement = read_statement(bind_parameters("SELECT 1", {}, SPARK))
    return query_error(error, Context(statement, None, None))


def test_an_error_of_java_has_its_own_words(spark):
    with pytest.raises(Exception, match="An error occurred while calling") as caught:
        spark._jvm.java.io.FileInputStream("/")
    error = told(caught.value)
    assert error.message == "/ (Is a directory)"
    assert "java.io.FileNotFoundException" in error.details
