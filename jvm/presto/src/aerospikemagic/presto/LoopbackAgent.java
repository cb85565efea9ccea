package aerospikemagic.presto;

import java.lang.instrument.ClassFileTransformer;
import java.lang.instrument.Instrumentation;
import java.security.ProtectionDomain;
import java.util.Set;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Keeps a Presto that is meant for one machine on its loopback address.
 *
 * <p>Presto's HTTP server can be told where to listen. Its Thrift server, by which nodes talk to each other, cannot, nor
 * can its management agent, which asks for no password: so the first is bound to the loopback address, and the second is
 * not started. ASM is Presto's own.
 */
public final class LoopbackAgent implements ClassFileTransformer {
    private static final String SERVER = "com/facebook/drift/transport/netty/server/DriftNettyServerTransport";
    private static final Set<String> MANAGEMENT =
            Set.of("com/facebook/airlift/jmx/JmxAgent8", "com/facebook/airlift/jmx/JmxAgent9");

    private LoopbackAgent() {}

    /** What Java calls before the server's own main. */
    public static void premain(String arguments, Instrumentation instrumentation) {
        instrumentation.addTransformer(new LoopbackAgent());
    }

    @Override
    public byte[] transform(
            ClassLoader loader, String name, Class<?> redefined, ProtectionDomain domain, byte[] bytes) {
        if (!SERVER.equals(name) && !MANAGEMENT.contains(name)) {
            return null;
        }
        try {
            ClassReader reader = new ClassReader(bytes);
            ClassWriter writer = new ClassWriter(reader, ClassWriter.COMPUTE_MAXS);
            reader.accept(new Changed(writer, SERVER.equals(name)), 0);
            return writer.toByteArray();
        } catch (RuntimeException | Error wrong) {
            // A transformer's error is ignored by Java, and the server would listen everywhere.
            System.err.println("1) cannot be kept on the loopback address: " + wrong);
            Runtime.getRuntime().halt(1);
            return null;
        }
    }

    private static final class Changed extends ClassVisitor {
        private final boolean isServer;

        Changed(ClassVisitor next, boolean isServer) {
            super(Opcodes.ASM9, next);
            this.isServer = isServer;
        }

        @Override
        public MethodVisitor visitMethod(int access, String name, String descriptor, String signature, String[] thrown) {
            MethodVisitor next = super.visitMethod(access, name, descriptor, signature, thrown);
            if (isServer) {
                return new Bound(next);
            }
            if (!name.equals("startJmxAgent")) {
                return next;
            }
            next.visitCode();
            next.visitInsn(Opcodes.RETURN);
            next.visitMaxs(0, 0);
            next.visitEnd();
            return null;
        }
    }

    /** bind(port) becomes bind("127.0.0.1", port). */
    private static final class Bound extends MethodVisitor {
        Bound(MethodVisitor next) {
            super(Opcodes.ASM9, next);
        }

        @Override
        public void visitMethodInsn(int opcode, String owner, String name, String descriptor, boolean isInterface) {
            if (name.equals("bind") && descriptor.startsWith("(I)")) {
                super.visitLdcInsn("127.0.0.1");
                super.visitInsn(Opcodes.SWAP);
                super.visitMethodInsn(
                        opcode, owner, name, descriptor.replace("(I)", "(Ljava/lang/String;I)"), isInterface);
            } else {
                super.visitMethodInsn(opcode, owner, name, descriptor, isInterface);
            }
        }
    }
}
