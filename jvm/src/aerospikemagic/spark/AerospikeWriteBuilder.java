package aerospikemagic.spark;

import org.apache.spark.sql.connector.write.SupportsTruncate;
import org.apache.spark.sql.connector.write.Write;
import org.apache.spark.sql.connector.write.WriteBuilder;
import org.apache.spark.sql.internal.connector.SupportsStreamingUpdateAsAppend;

/** A write of the Python source, which may also be a stream's in update mode: rows are written by key. */
final class AerospikeWriteBuilder implements SupportsTruncate, SupportsStreamingUpdateAsAppend {
  private final WriteBuilder python;

  AerospikeWriteBuilder(WriteBuilder python) {
    this.python = python;
  }

  @Override
  public WriteBuilder truncate() {
    return new AerospikeWriteBuilder(((SupportsTruncate) python).truncate());
  }

  @Override
  public Write build() {
    return python.build();
  }
}
