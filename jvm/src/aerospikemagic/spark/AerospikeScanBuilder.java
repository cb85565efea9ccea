package aerospikemagic.spark;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.sql.connector.expressions.Expression;
import org.apache.spark.sql.connector.expressions.NullOrdering;
import org.apache.spark.sql.connector.expressions.SortDirection;
import org.apache.spark.sql.connector.expressions.SortOrder;
import org.apache.spark.sql.connector.expressions.aggregate.AggregateFunc;
import org.apache.spark.sql.connector.expressions.aggregate.Aggregation;
import org.apache.spark.sql.connector.expressions.aggregate.Avg;
import org.apache.spark.sql.connector.expressions.aggregate.Count;
import org.apache.spark.sql.connector.expressions.aggregate.CountStar;
import org.apache.spark.sql.connector.expressions.aggregate.Max;
import org.apache.spark.sql.connector.expressions.aggregate.Min;
import org.apache.spark.sql.connector.expressions.aggregate.Sum;
import org.apache.spark.sql.connector.expressions.filter.Predicate;
import org.apache.spark.sql.connector.read.Scan;
import org.apache.spark.sql.connector.read.ScanBuilder;
import org.apache.spark.sql.connector.read.SupportsPushDownAggregates;
import org.apache.spark.sql.connector.read.SupportsPushDownLimit;
import org.apache.spark.sql.connector.read.SupportsPushDownRequiredColumns;
import org.apache.spark.sql.connector.read.SupportsPushDownTopN;
import org.apache.spark.sql.connector.read.SupportsPushDownV2Filters;
import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Collects what Spark pushes to one scan, as options for that scan's Python source.
 *
 * <p>Only what Python applies in full and with Spark's own meaning is accepted; Spark does the rest itself. Limits and
 * aggregates are offered by Spark only where no filter of its own is left above the scan.
 */
final class AerospikeScanBuilder
    implements ScanBuilder,
        SupportsPushDownRequiredColumns,
        SupportsPushDownV2Filters,
        SupportsPushDownLimit,
        SupportsPushDownTopN,
        SupportsPushDownAggregates {
  /** Rows that one task fetches alone; with more, every task stops there and Spark takes the first of all. */
  private static final int ONE_TASK_LIMIT = 100_000;

  /** Rows that a task holds in memory to choose the first among. */
  private static final int TOP_ROWS = 100_000;

  private final Map<String, String> options;
  private final List<String> pushed = new ArrayList<>();
  private final boolean pushFilters;
  private final boolean pushAggregates;
  private StructType schema;
  private Predicate[] predicates = new Predicate[0];
  private boolean aggregated;
  private boolean averages;
  private boolean sorted;
  private int limit;

  AerospikeScanBuilder(StructType schema, Map<String, String> options) {
    this.schema = schema;
    this.options = new HashMap<>(options);
    this.options.keySet().removeIf(name -> name.startsWith(Pushed.PREFIX));
    this.options.put(Pushed.RELATION, schema.json());
    // A sample is taken before it is filtered, and a filter expression of the user's own excludes look-ups by key.
    boolean takesPart = has("aerospike.sample.size") || has("aerospike.pushdown.expressions");
    pushFilters = !takesPart && allows("aerospike.pushdown.filters");
    pushAggregates = !has("aerospike.sample.size") && allows("aerospike.pushdown.aggregates");
  }

  private boolean has(String name) {
    return option(name, "") != null || option(name, AerospikeSource.SESSION) != null;
  }

  private boolean allows(String name) {
    String given = option(name, "");
    String value = given != null ? given : option(name, AerospikeSource.SESSION);
    return value == null || !List.of("false", "no", "0").contains(value.strip().toLowerCase(Locale.ROOT));
  }

  /** The value of an option in any of its spellings, null for none. */
  private String option(String name, String prefix) {
    for (Map.Entry<String, String> option : options.entrySet()) {
      if (option.getKey().startsWith(prefix)
          && plain(option.getKey().substring(prefix.length())).equals(plain(name))) {
        return option.getValue();
      }
    }
    return null;
  }

  /** An option's name as Python compares it: options.py. */
  private static String plain(String name) {
    return name.strip().toLowerCase(Locale.ROOT).replaceAll("[._-]", "");
  }

  @Override
  public Predicate[] pushPredicates(Predicate[] offered) {
    List<String> taken = new ArrayList<>();
    List<Predicate> accepted = new ArrayList<>();
    List<Predicate> left = new ArrayList<>();
    for (Predicate predicate : offered) {
      String json = pushFilters ? Pushed.predicate(predicate, schema) : null;
      if (json == null) {
        left.add(predicate);
      } else {
        taken.add(json);
        accepted.add(predicate);
      }
    }
    predicates = accepted.toArray(new Predicate[0]);
    if (!taken.isEmpty()) {
      options.put(Pushed.FILTERS, Pushed.array(taken));
      pushed.add("filters " + accepted);
    }
    return left.toArray(new Predicate[0]);
  }

  @Override
  public Predicate[] pushedPredicates() {
    return predicates;
  }

  @Override
  public void pruneColumns(StructType required) {
    if (aggregated) {
      return;
    }
    if (required.isEmpty() && !schema.isEmpty()) {
      // Spark asks for no column to count rows; a batch of no columns does not say how many it has.
      required = new StructType().add(Pushed.cheapest(schema));
    }
    schema = required;
  }

  @Override
  public boolean pushLimit(int wanted) {
    if (sorted) {
      return false;
    }
    limit = wanted;
    options.put(Pushed.LIMIT, "{\"rows\":" + wanted + ",\"whole\":" + !isPartiallyPushed() + "}");
    pushed.add("limit " + wanted);
    return true;
  }

  /** Of a limit and of the first rows alike: whether Spark has to choose among what the tasks return. */
  @Override
  public boolean isPartiallyPushed() {
    return sorted || limit > ONE_TASK_LIMIT;
  }

  @Override
  public boolean pushTopN(SortOrder[] orders, int wanted) {
    // A sample is taken before it is sorted, and groups are sorted when they are whole.
    if (has("aerospike.sample.size") || aggregated || limit > 0 || wanted > TOP_ROWS) {
      return false;
    }
    List<String> keys = new ArrayList<>();
    for (SortOrder order : orders) {
      String name = Pushed.column(order.expression(), schema);
      if (name == null || !Pushed.sorts(schema.apply(name).dataType())) {
        return false;
      }
      boolean ascending = order.direction() == SortDirection.ASCENDING;
      boolean nullsFirst = order.nullOrdering() == NullOrdering.NULLS_FIRST;
      String how = ",\"ascending\":" + ascending + ",\"nulls_first\":" + nullsFirst;
      keys.add("{\"column\":" + Pushed.quote(name) + how + "}");
    }
    sorted = true;
    options.put(Pushed.TOP, "{\"rows\":" + wanted + ",\"by\":" + Pushed.array(keys) + "}");
    pushed.add("first " + wanted + " of each task by " + Arrays.toString(orders));
    return true;
  }

  /** Asked twice: with the query's own functions, then with each average as a sum and a count. */
  @Override
  public boolean supportCompletePushDown(Aggregation aggregation) {
    averages |= Arrays.stream(aggregation.aggregateExpressions()).anyMatch(Avg.class::isInstance);
    return false;
  }

  @Override
  public boolean pushAggregation(Aggregation aggregation) {
    // Spark averages longs by a sum of doubles, which does not overflow.
    if (!pushAggregates || averages) {
      return false;
    }
    StructType output = new StructType();
    List<String> groups = new ArrayList<>();
    for (Expression group : aggregation.groupByExpressions()) {
      String name = Pushed.column(group, schema);
      if (name == null || !Pushed.groups(schema.apply(name).dataType())) {
        return false;
      }
      output = output.add(schema.apply(name));
      groups.add(Pushed.quote(name));
    }
    List<String> functions = new ArrayList<>();
    for (AggregateFunc function : aggregation.aggregateExpressions()) {
      String json = aggregate(function);
      if (json == null) {
        return false;
      }
      output = output.add("aggregate_" + functions.size(), resultType(function));
      functions.add(json);
    }
    options.put(
        Pushed.AGGREGATES, "{\"by\":" + Pushed.array(groups) + ",\"functions\":" + Pushed.array(functions) + "}");
    pushed.add("partial aggregates " + functions + (groups.isEmpty() ? "" : " by " + groups));
    schema = output;
    aggregated = true;
    return true;
  }

  /** Describe a function that Python computes exactly; null for any other. */
  private String aggregate(AggregateFunc function) {
    if (function instanceof CountStar) {
      return "{\"function\":\"count_all\"}";
    }
    if (function instanceof Count count && !count.isDistinct()) {
      return describe("count", count.column());
    }
    // Sums of doubles depend on their order. Of longs they may overflow, which Python tells as ANSI mode does.
    if (function instanceof Sum sum && !sum.isDistinct() && SQLConf.get().ansiEnabled()) {
      return DataTypes.LongType.equals(type(sum.column())) ? describe("sum", sum.column()) : null;
    }
    if (function instanceof Min min) {
      return Pushed.orders(type(min.column())) ? describe("min", min.column()) : null;
    }
    if (function instanceof Max max) {
      return Pushed.orders(type(max.column())) ? describe("max", max.column()) : null;
    }
    return null;
  }

  private String describe(String function, Expression column) {
    String name = Pushed.column(column, schema);
    return name == null ? null : "{\"function\":\"" + function + "\",\"column\":" + Pushed.quote(name) + "}";
  }

  private DataType type(Expression column) {
    String name = Pushed.column(column, schema);
    return name == null ? DataTypes.NullType : schema.apply(name).dataType();
  }

  private DataType resultType(AggregateFunc function) {
    if (function instanceof Min min) {
      return type(min.column());
    }
    return function instanceof Max max ? type(max.column()) : DataTypes.LongType;
  }

  @Override
  public Scan build() {
    return new AerospikeScan(schema, options, String.join(", ", pushed), pushFilters);
  }
}
