package aerospikemagic.spark;

import java.util.HashMap;
import java.util.Map;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.connector.catalog.Table;
import org.apache.spark.sql.connector.catalog.TableProvider;
import org.apache.spark.sql.connector.expressions.Transform;
import org.apache.spark.sql.execution.datasources.v2.python.PythonDataSourceV2;
import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.sources.DataSourceRegister;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;
import scala.jdk.javaapi.CollectionConverters;

/**
 * The format {@code aerospike} with push-down: a planner in front of the Python data source, and no more than that.
 *
 * <p>Spark's own push-down for Python sources keeps what it pushed on an object that several scans share, so that one
 * scan's filter reaches another. Here every scan makes a Python source of its own and tells it what was pushed in its
 * options. The rows still flow from Python to Spark in Arrow batches; nothing in this package reads a record.
 *
 * <p>Both have the same name. Spark asks its Java class path first, so it finds this one; this one asks for the Python
 * source, which Spark finds in the installed package (module {@code pyspark_aerospike}), or for the one that
 * {@code register} has put into the session under a name of its own.
 */
public final class AerospikeSource implements TableProvider, DataSourceRegister {
  private static final String NAME = "aerospike";

  /** The session's own aerospike.* settings are handed to Python as options that begin so. */
  static final String SESSION = "aerospike_magic.session.";

  /** The setting with the name of the session's Python source, where it has one. */
  private static final String REGISTERED = "spark.aerospike_magic.source";

  /** How many tasks run at the same time in the cluster. */
  private static final String CORES = "aerospike_magic.cores";

  /** Whether that may grow while a query runs. */
  private static final String ELASTIC = "aerospike_magic.elastic";

  @Override
  public String shortName() {
    return NAME;
  }

  @Override
  public StructType inferSchema(CaseInsensitiveStringMap options) {
    return python().inferSchema(new CaseInsensitiveStringMap(withSession(options.asCaseSensitiveMap())));
  }

  @Override
  public boolean supportsExternalMetadata() {
    return true;
  }

  @Override
  public Table getTable(StructType schema, Transform[] partitioning, Map<String, String> properties) {
    return new AerospikeTable(schema, withSession(properties));
  }

  private static Map<String, String> withSession(Map<String, String> options) {
    Map<String, String> all = new HashMap<>(options);
    CollectionConverters.asJava(SQLConf.get().getAllConfs())
        .forEach(
            (name, value) -> {
              if (name.startsWith(NAME + ".")) {
                all.putIfAbsent(SESSION + name, value);
              }
            });
    SparkContext context = SparkContext.getOrCreate();
    all.putIfAbsent(CORES, String.valueOf(context.defaultParallelism()));
    all.putIfAbsent(ELASTIC, String.valueOf(context.conf().getBoolean("spark.dynamicAllocation.enabled", false)));
    return all;
  }

  /** A new Python source: never one that another scan has seen. */
  static PythonDataSourceV2 python() {
    PythonDataSourceV2 source = new PythonDataSourceV2();
    source.setShortName(SQLConf.get().getConfString(REGISTERED, NAME));
    return source;
  }

  /** The table of a new Python source. */
  static Table pythonTable(StructType schema, Map<String, String> options) {
    return python().getTable(schema, new Transform[0], options);
  }
}
