package aerospikemagic.spark;

import java.util.Map;
import org.apache.spark.sql.connector.catalog.Table;
import org.apache.spark.sql.connector.catalog.TableProvider;
import org.apache.spark.sql.connector.expressions.Transform;
import org.apache.spark.sql.execution.datasources.v2.python.PythonDataSourceV2;
import org.apache.spark.sql.sources.DataSourceRegister;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;

/**
 * The format {@code aerospike} with push-down: a planner in front of the Python data source, and no more than that.
 *
 * <p>Spark's own push-down for Python sources keeps what it pushed on an object that several scans share, so that one
 * scan's filter reaches another. Here every scan makes a Python source of its own and tells it what was pushed in its
 * options. The rows still flow from Python to Spark in Arrow batches; nothing in this package reads a record.
 */
public final class AerospikeSource implements TableProvider, DataSourceRegister {
  /** The name under which the Python data source is registered when this jar plans for it. */
  static final String PYTHON_NAME = "aerospike_python";

  @Override
  public String shortName() {
    return "aerospike";
  }

  @Override
  public StructType inferSchema(CaseInsensitiveStringMap options) {
    return python().inferSchema(options);
  }

  @Override
  public boolean supportsExternalMetadata() {
    return true;
  }

  @Override
  public Table getTable(StructType schema, Transform[] partitioning, Map<String, String> properties) {
    return new AerospikeTable(schema, new CaseInsensitiveStringMap(properties));
  }

  /** A new Python source: never one that another scan has seen. */
  static PythonDataSourceV2 python() {
    PythonDataSourceV2 source = new PythonDataSourceV2();
    source.setShortName(PYTHON_NAME);
    return source;
  }

  /** The table of a new Python source. */
  static Table pythonTable(StructType schema, Map<String, String> options) {
    return python().getTable(schema, new Transform[0], options);
  }
}
