"""SQL words that completion offers: DuckDB's keywords of a read, and its functions that people use."""

from __future__ import annotations

KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "HAVING", "LIMIT", "OFFSET", "QUALIFY", "WINDOW",
    "WITH", "WITH RECURSIVE", "DISTINCT", "ALL", "AS", "ASC", "DESC", "NULLS FIRST", "NULLS LAST", "JOIN",
    "INNER JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN", "SEMI JOIN", "ANTI JOIN",
    "ASOF JOIN", "ON", "USING", "UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCLUDE", "REPLACE", "AND",
    "OR", "NOT", "IN", "BETWEEN", "LIKE", "ILIKE", "IS NULL", "IS NOT NULL", "EXISTS", "CASE", "WHEN",
    "THEN", "ELSE", "END", "CAST", "TRY_CAST", "NULL", "TRUE", "FALSE", "OVER", "PARTITION BY", "ROWS",
    "RANGE", "PRECEDING", "FOLLOWING", "UNBOUNDED", "CURRENT ROW", "FILTER", "INTERVAL", "LATERAL",
    "UNNEST", "PIVOT", "UNPIVOT", "VALUES", "SUMMARIZE", "DESCRIBE", "GROUPING SETS", "ROLLUP", "CUBE",
    "USING SAMPLE",
)  # fmt: skip

FUNCTIONS = (
    "abs", "any_value", "approx_count_distinct", "approx_quantile", "arg_max", "arg_min", "array_agg",
    "avg", "bool_and", "bool_or", "cardinality", "ceil", "coalesce", "concat", "concat_ws", "contains",
    "corr", "count", "count_if", "covar_samp", "cume_dist", "current_date", "date_diff", "date_part",
    "date_trunc", "dayofweek", "dense_rank", "ends_with", "entropy", "epoch", "epoch_ms", "exp", "extract",
    "first", "first_value", "floor", "format", "from_json", "generate_series", "greatest", "hash",
    "histogram", "ifnull", "isnan", "json_extract", "json_extract_string", "json_keys", "kurtosis", "lag",
    "last", "last_value", "lead", "least", "left", "length", "list", "list_contains", "list_distinct",
    "list_filter", "list_sort", "list_transform", "ln", "log10", "lower", "lpad", "ltrim", "make_date",
    "make_timestamp", "map_keys", "map_values", "max", "md5", "median", "min", "mode", "nth_value", "ntile",
    "nullif", "percent_rank", "pow", "product", "quantile_cont", "quantile_disc", "random", "rank",
    "regexp_extract", "regexp_matches", "regexp_replace", "replace", "reverse", "right", "round",
    "row_number", "rpad", "rtrim", "sign", "skewness", "split_part", "sqrt", "starts_with", "stddev",
    "strftime", "string_agg", "string_split", "strlen", "strptime", "struct_extract", "substring", "sum",
    "to_json", "to_timestamp", "trim", "typeof", "unnest", "upper", "variance", "year",
)  # fmt: skip
