package aerospikemagic.spark;

import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.connector.read.Batch;
import org.apache.spark.sql.connector.read.InputPartition;
import org.apache.spark.sql.connector.read.PartitionReader;
import org.apache.spark.sql.connector.read.PartitionReaderFactory;

/**
 * A batch that may be filtered while the query runs.
 *
 * <p>Once the keys of a join's small side are known, Spark plans the scan's tasks anew, but reads them with the factory
 * of the batch that it had before. A Python source keeps in that factory what is read, so without more the filter would
 * be lost: each task that was planned anew brings the factory that it is to be read with.
 */
final class FilterableBatch implements Batch {
  private final Batch inner;
  private final Object asked;
  private final boolean filterable;
  private final boolean filtered;

  /**
   * @param asked what is read. Spark takes batches that ask the same for one: it reads them once, and knows the small
   *     side of a join again when its keys are to filter the other side.
   * @param filterable whether a filter may come.
   * @param filtered whether one has come.
   */
  FilterableBatch(Batch inner, Object asked, boolean filterable, boolean filtered) {
    this.inner = inner;
    this.asked = asked;
    this.filterable = filterable;
    this.filtered = filtered;
  }

  @Override
  public InputPartition[] planInputPartitions() {
    InputPartition[] partitions = inner.planInputPartitions();
    if (filtered) {
      PartitionReaderFactory factory = inner.createReaderFactory();
      for (int i = 0; i < partitions.length; i++) {
        partitions[i] = new Task(partitions[i], factory);
      }
    }
    return partitions;
  }

  @Override
  public PartitionReaderFactory createReaderFactory() {
    PartitionReaderFactory factory = inner.createReaderFactory();
    return filterable ? new Factory(factory) : factory;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof FilterableBatch batch && batch.asked.equals(asked);
  }

  @Override
  public int hashCode() {
    return asked.hashCode();
  }

  /** A task, and what it is read with. */
  private record Task(InputPartition inner, PartitionReaderFactory factory) implements InputPartition {
    @Override
    public String[] preferredLocations() {
      return inner.preferredLocations();
    }
  }

  /** Reads a task with what it brings, and any other with the factory of before the filter. */
  private record Factory(PartitionReaderFactory before) implements PartitionReaderFactory {
    @Override
    public PartitionReader<InternalRow> createReader(InputPartition partition) {
      return partition instanceof Task task
          ? task.factory().createReader(task.inner())
          : before.createReader(partition);
    }
  }
}
