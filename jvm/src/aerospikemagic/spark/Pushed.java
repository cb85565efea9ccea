package aerospikemagic.spark;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import org.apache.spark.sql.connector.expressions.Expression;
import org.apache.spark.sql.connector.expressions.Literal;
import org.apache.spark.sql.connector.expressions.NamedReference;
import org.apache.spark.sql.connector.expressions.filter.Predicate;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.BinaryType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/**
 * What is pushed, as JSON that {@code aerospike_magic/engines/spark/pushed.py} reads.
 *
 * <pre>
 * predicate: {"op": "=", "column": name, "value": literal}      also &lt;&gt; &lt; &lt;= &gt; &gt;=
 *            {"op": "in", "column": name, "values": [literal]}
 *            {"op": "is_null", "column": name}   {"op": "starts_with", "column": name, "value": literal}
 *            {"op": "and", "children": [predicate]}   also or, not; {"op": "always", "value": true}
 * literal:   null, or [type, text] of type long, double, string, boolean or binary (base64)
 * </pre>
 */
final class Pushed {
  static final String PREFIX = "aerospike_magic.pushed.";
  static final String FILTERS = PREFIX + "filters";
  static final String LIMIT = PREFIX + "limit";
  static final String AGGREGATES = PREFIX + "aggregates";
  static final String TOP = PREFIX + "top";
  static final String RUNTIME = PREFIX + "runtime";

  /** The schema of the whole relation, as Spark's JSON: filters and aggregates read columns that are not returned. */
  static final String RELATION = "aerospike_magic.relation";

  static final String KEY = "__key";

  private static final List<String> COMPARISONS = Arrays.asList("=", "<>", "<", "<=", ">", ">=");

  private Pushed() {}

  /** Translate a predicate, or return null if any part of it is not of the kind that Python applies exactly. */
  static String predicate(Expression expression, StructType schema) {
    if (!(expression instanceof Predicate predicate)) {
      return null;
    }
    Expression[] children = predicate.children();
    switch (predicate.name()) {
      case "AND":
      case "OR":
      case "NOT":
        return connective(predicate.name().toLowerCase(), children, schema);
      case "ALWAYS_TRUE":
        return "{\"op\":\"always\",\"value\":true}";
      case "ALWAYS_FALSE":
        return "{\"op\":\"always\",\"value\":false}";
      case "IS_NULL":
        return isNull(children[0], schema);
      case "IS_NOT_NULL":
        return not(isNull(children[0], schema));
      case "IN":
        return in(children, schema);
      case "STARTS_WITH":
        return comparison("starts_with", children[0], children[1], schema);
      case "<=>":
        return nullSafeEqual(children, schema);
      default:
        return compare(predicate.name(), children, schema);
    }
  }

  private static String connective(String op, Expression[] children, StructType schema) {
    List<String> parts = new ArrayList<>();
    for (Expression child : children) {
      String part = predicate(child, schema);
      if (part == null) {
        return null;
      }
      parts.add(part);
    }
    return "{\"op\":\"" + op + "\",\"children\":" + array(parts) + "}";
  }

  private static String not(String part) {
    return part == null ? null : "{\"op\":\"not\",\"children\":[" + part + "]}";
  }

  private static String isNull(Expression child, StructType schema) {
    String column = column(child, schema);
    return column == null ? null : "{\"op\":\"is_null\",\"column\":" + quote(column) + "}";
  }

  private static String compare(String op, Expression[] children, StructType schema) {
    if (!COMPARISONS.contains(op) || children.length != 2) {
      return null;
    }
    if (children[0] instanceof Literal) {
      String swapped = op.startsWith("<") && !op.equals("<>") ? op.replace('<', '>') : op.replace('>', '<');
      return comparison(op.equals("<>") ? op : swapped, children[1], children[0], schema);
    }
    return comparison(op, children[0], children[1], schema);
  }

  private static String comparison(String op, Expression reference, Expression value, StructType schema) {
    String column = column(reference, schema);
    String literal = column == null ? null : literal(value, schema.apply(column).dataType());
    return literal == null
        ? null
        : "{\"op\":\"" + op + "\",\"column\":" + quote(column) + ",\"value\":" + literal + "}";
  }

  private static String nullSafeEqual(Expression[] children, StructType schema) {
    boolean swapped = children[0] instanceof Literal;
    Expression reference = children[swapped ? 1 : 0];
    Expression value = children[swapped ? 0 : 1];
    String isNull = isNull(reference, schema);
    if (isNull == null || (value instanceof Literal<?> literal && literal.value() == null)) {
      return isNull;
    }
    String equal = comparison("=", reference, value, schema);
    return equal == null ? null : "{\"op\":\"and\",\"children\":" + array(List.of(not(isNull), equal)) + "}";
  }

  private static String in(Expression[] children, StructType schema) {
    String column = column(children[0], schema);
    if (column == null) {
      return null;
    }
    List<String> values = new ArrayList<>();
    for (int i = 1; i < children.length; i++) {
      String value = literal(children[i], schema.apply(column).dataType());
      // Spark's long IN lists are hash sets, in which the two zeros differ.
      if (value == null || value.equals("[\"double\",\"0.0\"]") || value.equals("[\"double\",\"-0.0\"]")) {
        return null;
      }
      values.add(value);
    }
    return "{\"op\":\"in\",\"column\":" + quote(column) + ",\"values\":" + array(values) + "}";
  }

  /**
   * The name of a top-level column of the schema that Spark sees in the type it is stored in; null for all else.
   *
   * <p>A number out of the range of a narrower column is NULL to Spark, but not to the server.
   */
  static String column(Expression expression, StructType schema) {
    if (!(expression instanceof NamedReference reference) || reference.fieldNames().length != 1) {
      return null;
    }
    String name = reference.fieldNames()[0];
    boolean known = Arrays.asList(schema.fieldNames()).contains(name);
    return known && isStored(schema.apply(name).dataType()) ? name : null;
  }

  private static boolean isStored(DataType type) {
    if (type instanceof ArrayType list) {
      return isStored(list.elementType());
    }
    if (type instanceof MapType map) {
      return isStored(map.keyType()) && isStored(map.valueType());
    }
    if (type instanceof StructType struct) {
      return Arrays.stream(struct.fields()).allMatch(field -> isStored(field.dataType()));
    }
    return typeName(type) != null;
  }

  private static String literal(Expression expression, DataType wanted) {
    if (!(expression instanceof Literal<?> literal) || !literal.dataType().equals(wanted)) {
      return null;
    }
    Object value = literal.value();
    String type = typeName(wanted);
    if (type == null || value == null) {
      return type == null ? null : "null";
    }
    String text = value instanceof byte[] bytes ? Base64.getEncoder().encodeToString(bytes) : value.toString();
    return "[\"" + type + "\"," + quote(text) + "]";
  }

  private static String typeName(DataType type) {
    if (type.equals(DataTypes.LongType)) {
      return "long";
    }
    if (type.equals(DataTypes.DoubleType)) {
      return "double";
    }
    if (type.equals(DataTypes.StringType)) {
      return "string";
    }
    if (type.equals(DataTypes.BooleanType)) {
      return "boolean";
    }
    return type instanceof BinaryType ? "binary" : null;
  }

  /** Whether Python groups by this type as Spark does: not by doubles, whose zeros and NaNs Spark makes one. */
  static boolean groups(DataType type) {
    return type.equals(DataTypes.LongType) || type.equals(DataTypes.StringType) || type.equals(DataTypes.BooleanType);
  }

  /** Whether Python's least and greatest of this type are Spark's. */
  static boolean orders(DataType type) {
    return type.equals(DataTypes.LongType) || type.equals(DataTypes.StringType);
  }

  /** Whether Python sorts this type as Spark does. */
  static boolean sorts(DataType type) {
    return groups(type) || type.equals(DataTypes.DoubleType);
  }

  /** The column that costs least to read, when any will do. */
  static StructField cheapest(StructType schema) {
    StructField best = schema.fields()[0];
    for (StructField field : schema.fields()) {
      if (field.dataType().defaultSize() < best.dataType().defaultSize()) {
        best = field;
      }
    }
    return best;
  }

  static String array(List<String> parts) {
    return "[" + String.join(",", parts) + "]";
  }

  static String quote(String text) {
    StringBuilder quoted = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') {
        quoted.append('\\').append(c);
      } else if (c < ' ' || c > '~') {
        quoted.append(String.format("\\u%04x", (int) c));
      } else {
        quoted.append(c);
      }
    }
    return quoted.append('"').toString();
  }
}
