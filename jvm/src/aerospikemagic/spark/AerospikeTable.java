package aerospikemagic.spark;

import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.connector.catalog.SupportsRead;
import org.apache.spark.sql.connector.catalog.SupportsWrite;
import org.apache.spark.sql.connector.catalog.TableCapability;
import org.apache.spark.sql.connector.read.ScanBuilder;
import org.apache.spark.sql.connector.write.LogicalWriteInfo;
import org.apache.spark.sql.connector.write.WriteBuilder;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;

/** A set: reads are planned here, writes go to the Python source as they are. */
final class AerospikeTable implements SupportsRead, SupportsWrite {
  private final StructType schema;
  private final Map<String, String> properties;

  AerospikeTable(StructType schema, Map<String, String> properties) {
    this.schema = schema;
    this.properties = properties;
  }

  /** Shown in plans, so built of names only: options hold secrets. */
  @Override
  public String name() {
    CaseInsensitiveStringMap named = new CaseInsensitiveStringMap(properties);
    String set = named.getOrDefault("path", named.getOrDefault("aerospike.set", ""));
    String namespace = named.get("aerospike.namespace");
    String qualified = namespace == null || set.contains(".") ? set : namespace + "." + set;
    return ("aerospike " + qualified).strip();
  }

  @Override
  @SuppressWarnings("deprecation")
  public StructType schema() {
    return schema;
  }

  @Override
  public Set<TableCapability> capabilities() {
    return EnumSet.of(
        TableCapability.BATCH_READ,
        TableCapability.MICRO_BATCH_READ,
        TableCapability.BATCH_WRITE,
        TableCapability.STREAMING_WRITE,
        TableCapability.TRUNCATE,
        TableCapability.ACCEPT_ANY_SCHEMA);
  }

  @Override
  public ScanBuilder newScanBuilder(CaseInsensitiveStringMap options) {
    Map<String, String> all = new HashMap<>(properties);
    all.putAll(options.asCaseSensitiveMap());
    return new AerospikeScanBuilder(schema, all);
  }

  @Override
  public WriteBuilder newWriteBuilder(LogicalWriteInfo info) {
    Map<String, String> all = new HashMap<>(properties);
    all.putAll(info.options().asCaseSensitiveMap());
    SupportsWrite table = (SupportsWrite) AerospikeSource.pythonTable(info.schema(), all);
    return new AerospikeWriteBuilder(table.newWriteBuilder(info));
  }
}
