package aerospikemagic.spark;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.connector.catalog.SupportsRead;
import org.apache.spark.sql.connector.expressions.Expressions;
import org.apache.spark.sql.connector.expressions.NamedReference;
import org.apache.spark.sql.connector.expressions.filter.Predicate;
import org.apache.spark.sql.connector.metric.CustomMetric;
import org.apache.spark.sql.connector.read.Batch;
import org.apache.spark.sql.connector.read.Scan;
import org.apache.spark.sql.connector.read.SupportsRuntimeV2Filtering;
import org.apache.spark.sql.connector.read.streaming.MicroBatchStream;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;

/** One scan: a Python source of its own, made with the options that say what was pushed to it. */
final class AerospikeScan implements SupportsRuntimeV2Filtering {
  private final StructType schema;
  private final Map<String, String> options;
  private final String pushed;
  private final boolean takesFilters;
  private Scan inner;
  private String runtime = "";

  AerospikeScan(StructType schema, Map<String, String> options, String pushed, boolean takesFilters) {
    this.schema = schema;
    this.options = Map.copyOf(options);
    this.pushed = pushed;
    this.takesFilters = takesFilters;
    inner = python(this.options);
  }

  private Scan python(Map<String, String> all) {
    SupportsRead table = (SupportsRead) AerospikeSource.pythonTable(schema, all);
    return table.newScanBuilder(new CaseInsensitiveStringMap(all)).build();
  }

  @Override
  public StructType readSchema() {
    return schema;
  }

  /** Shown in plans, so built of what was pushed only: options hold secrets. */
  @Override
  public String description() {
    return "aerospike" + (pushed.isEmpty() ? "" : " pushed: " + pushed);
  }

  /** The user key: the small side of a join arrives as its values, and the join becomes key look-ups. */
  @Override
  public NamedReference[] filterAttributes() {
    boolean isPart =
        options.containsKey(Pushed.AGGREGATES) || options.containsKey(Pushed.LIMIT) || options.containsKey(Pushed.TOP);
    if (!takesFilters || isPart || !Arrays.asList(schema.fieldNames()).contains(Pushed.KEY)) {
      return new NamedReference[0];
    }
    return new NamedReference[] {Expressions.column(Pushed.KEY)};
  }

  @Override
  public void filter(Predicate[] predicates) {
    List<String> taken = new ArrayList<>();
    for (Predicate predicate : predicates) {
      String json = Pushed.predicate(predicate, schema);
      if (json != null) {
        taken.add(json);
      }
    }
    if (!taken.isEmpty()) {
      Map<String, String> all = new HashMap<>(options);
      runtime = Pushed.array(taken);
      all.put(Pushed.RUNTIME, runtime);
      inner = python(all);
    }
  }

  @Override
  public Batch toBatch() {
    Batch batch = new LocatedBatch(inner.toBatch());
    boolean filterable = filterAttributes().length > 0;
    return new FilterableBatch(batch, List.of(options, schema, runtime), filterable, !runtime.isEmpty());
  }

  @Override
  public MicroBatchStream toMicroBatchStream(String checkpoint) {
    return inner.toMicroBatchStream(checkpoint);
  }

  @Override
  public CustomMetric[] supportedCustomMetrics() {
    return inner.supportedCustomMetrics();
  }

  @Override
  public ColumnarSupportMode columnarSupportMode() {
    return ColumnarSupportMode.UNSUPPORTED;
  }

  /** Spark reads a scan once for two equal ones; equal is what asks the same of the same set. */
  @Override
  public boolean equals(Object other) {
    return other instanceof AerospikeScan scan && scan.options.equals(options) && scan.schema.equals(schema);
  }

  @Override
  public int hashCode() {
    return 31 * options.hashCode() + schema.hashCode();
  }
}
