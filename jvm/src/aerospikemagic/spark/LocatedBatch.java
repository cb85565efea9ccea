package aerospikemagic.spark;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkExecutorInfo;
import org.apache.spark.sql.connector.read.Batch;
import org.apache.spark.sql.connector.read.InputPartition;
import org.apache.spark.sql.connector.read.PartitionReaderFactory;
import org.apache.spark.sql.execution.datasources.v2.python.PythonInputPartition;

/**
 * A batch whose tasks prefer an executor on the host of the node that they read from, where there is one.
 *
 * <p>Python's input partitions cannot say where they would like to run, so the host stands as text in what Python
 * pickled (see {@code partitions.py}). Only hosts on which an executor runs now are preferred: a task never waits for
 * one that is not there, and without such hosts the partitions stay Spark's own.
 */
final class LocatedBatch implements Batch {
  private static final String BEGIN = "aerospike-node-host=";
  private static final char END = ';';

  private final Batch inner;

  LocatedBatch(Batch inner) {
    this.inner = inner;
  }

  @Override
  public InputPartition[] planInputPartitions() {
    InputPartition[] partitions = inner.planInputPartitions();
    SparkContext context = SparkContext.getOrCreate();
    if (context.isLocal()) {
      return partitions;
    }
    Map<String, String[]> executors = new HashMap<>();
    Map<String, String[]> beside = new HashMap<>();
    for (int i = 0; i < partitions.length; i++) {
      String host = partitions[i] instanceof PythonInputPartition python ? host(python.pickedPartition()) : null;
      if (host != null) {
        if (executors.isEmpty()) {
          executors = executorsByAddress(context);
        }
        Map<String, String[]> known = executors;
        String[] hosts = beside.computeIfAbsent(host, name -> find(name, known));
        partitions[i] = hosts.length == 0 ? partitions[i] : located((PythonInputPartition) partitions[i], hosts);
      }
    }
    return partitions;
  }

  @Override
  public PartitionReaderFactory createReaderFactory() {
    return inner.createReaderFactory();
  }

  private static InputPartition located(PythonInputPartition partition, String[] hosts) {
    return new LocatedPartition(partition.index(), partition.pickedPartition(), hosts);
  }

  private static String host(byte[] pickled) {
    String text = new String(pickled, StandardCharsets.ISO_8859_1);
    int begin = text.indexOf(BEGIN);
    int end = text.indexOf(END, begin);
    return begin < 0 || end < 0 ? null : text.substring(begin + BEGIN.length(), end);
  }

  /** The names by which Spark knows the hosts of its executors, by those names and by their addresses. */
  private static Map<String, String[]> executorsByAddress(SparkContext context) {
    Map<String, Set<String>> names = new HashMap<>();
    for (SparkExecutorInfo executor : context.statusTracker().getExecutorInfos()) {
      String name = executor.host();
      if (!names.containsKey(name)) {
        addresses(name).forEach(at -> names.computeIfAbsent(at, ignored -> new LinkedHashSet<>()).add(name));
      }
    }
    Map<String, String[]> found = new HashMap<>();
    names.forEach((address, hosts) -> found.put(address, hosts.toArray(new String[0])));
    return found;
  }

  private static String[] find(String host, Map<String, String[]> executors) {
    return addresses(host).stream()
        .filter(executors::containsKey)
        .findFirst()
        .map(executors::get)
        .orElse(new String[0]);
  }

  /** A host's name and its addresses, as far as they are known here. */
  private static List<String> addresses(String host) {
    List<String> found = new ArrayList<>(List.of(host));
    try {
      for (InetAddress address : InetAddress.getAllByName(host)) {
        found.add(address.getHostAddress());
      }
    } catch (UnknownHostException unknown) {
      return found;
    }
    return found;
  }

  /** Spark's own partition of a Python source, and where it would like to be read. */
  private static final class LocatedPartition extends PythonInputPartition {
    private static final long serialVersionUID = 1L;

    private final String[] hosts;

    LocatedPartition(int index, byte[] pickled, String[] hosts) {
      super(index, pickled);
      this.hosts = hosts;
    }

    @Override
    public String[] preferredLocations() {
      return hosts.clone();
    }
  }
}
