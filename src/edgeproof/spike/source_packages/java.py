"""The Java class over an engine. Java 8, and nothing that Android has not got."""

from __future__ import annotations

from collections.abc import Sequence
from string import Template

from edgeproof.spike.source_packages.naming import Naming, numbers, plain, quoted_java
from edgeproof.spike.toolchain.description import Description, Plug

__all__ = ["java_source"]

SOURCE = Template("""\
package $package;

import java.io.Closeable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/**
 * The network $name: $timesteps time steps a call. Generated.
 *
$ports
 *
 * <p>An engine holds memory outside the heap until it is closed. Its calls wait for each other; open one a thread.
 */
public final class $type implements Closeable {
    /** Time steps of a whole call. */
    public static final int TIMESTEPS = $timesteps;

    /** What a call takes, in order. */
    public static final List<Port> INPUTS = Collections.unmodifiableList(Arrays.asList(
$inputs));

    /** What a call gives, in order. */
    public static final List<Port> OUTPUTS = Collections.unmodifiableList(Arrays.asList(
$outputs));

    static {
        System.loadLibrary("${name}_jni");
    }

    private long handle;

    private $type(long handle) {
        this.handle = handle;
    }

    /** A new engine in its initial states. */
    public static $type open() {
        return new $type(openEngine());
    }

    /**
     * One whole call from the initial states.
     *
     * @param inputs an array for each of {@link #INPUTS}, as long as the port says
     * @return an array for each of {@link #OUTPUTS}
     * @throws IllegalArgumentException an array is missing or of another length
     * @throws IllegalStateException the engine is closed
     */
    public float[][] run(float[]... inputs) {
        float[][] outputs = arrays(OUTPUTS, true);
        runArrays(inputs, outputs, true);
        return outputs;
    }

    /** One whole call that writes into arrays at hand; otherwise like {@link #run(float[]...)}. */
    public void run(float[][] inputs, float[][] outputs) {
        runArrays(inputs, outputs, true);
    }

    /**
     * One whole call without copies.
     *
     * @param inputs direct buffers in native order, with exactly as many numbers remaining as the port says
     * @param outputs likewise, and writable; none may overlap another buffer
     * @throws IllegalArgumentException a buffer is not so
     * @throws IllegalStateException the engine is closed
     */
    public void run(FloatBuffer[] inputs, FloatBuffer[] outputs) {
        runBuffers(inputs, outputs, true);
    }

    /** One time step from the states as they are; an array is as long as the port's {@code stepLength}. */
    public float[][] step(float[]... inputs) {
        float[][] outputs = arrays(OUTPUTS, false);
        runArrays(inputs, outputs, false);
        return outputs;
    }

    /** One time step that writes into arrays at hand. */
    public void step(float[][] inputs, float[][] outputs) {
        runArrays(inputs, outputs, false);
    }

    /** One time step without copies. */
    public void step(FloatBuffer[] inputs, FloatBuffer[] outputs) {
        runBuffers(inputs, outputs, false);
    }

    /** Back to the initial states, before a stream of steps. */
    public synchronized void reset() {
        resetEngine(opened());
    }

    /** Gives the memory back. A second time does nothing. */
    @Override
    public synchronized void close() {
        long held = handle;
        handle = 0;
        if (held != 0) {
            closeEngine(held);
        }
    }

    /** Direct buffers for the inputs of a whole call. */
    public static FloatBuffer[] newInputBuffers() {
        return buffers(INPUTS);
    }

    /** Direct buffers for the outputs of a whole call. */
    public static FloatBuffer[] newOutputBuffers() {
        return buffers(OUTPUTS);
    }

    private synchronized void runArrays(float[][] inputs, float[][] outputs, boolean whole) {
        long engine = opened();
        runArrays(engine, whole, checked("input", INPUTS, inputs, whole), checked("output", OUTPUTS, outputs, whole));
    }

    private synchronized void runBuffers(FloatBuffer[] inputs, FloatBuffer[] outputs, boolean whole) {
        long engine = opened();
        FloatBuffer[] given = checked("input", INPUTS, inputs, whole);
        FloatBuffer[] taken = checked("output", OUTPUTS, outputs, whole);
        for (int i = 0; i < taken.length; i++) {
            if (taken[i].isReadOnly()) {
                throw new IllegalArgumentException("the buffer of the output " + OUTPUTS.get(i).name + " is read-only");
            }
        }
        runBuffers(engine, whole, given, taken);
    }

    private long opened() {
        if (handle == 0) {
            throw new IllegalStateException("this engine is closed; open another");
        }
        return handle;
    }

    /** The arrays, in a list of our own that nobody changes meanwhile. */
    private static float[][] checked(String kind, List<Port> ports, float[][] arrays, boolean whole) {
        count(kind, ports, arrays == null ? -1 : arrays.length);
        float[][] found = arrays.clone();
        for (int i = 0; i < found.length; i++) {
            length(kind, ports.get(i), found[i] == null ? -1 : found[i].length, whole);
        }
        return found;
    }

    private static FloatBuffer[] checked(String kind, List<Port> ports, FloatBuffer[] buffers, boolean whole) {
        count(kind, ports, buffers == null ? -1 : buffers.length);
        FloatBuffer[] found = buffers.clone();
        for (int i = 0; i < found.length; i++) {
            length(kind, ports.get(i), found[i] == null ? -1 : found[i].remaining(), whole);
            if (!found[i].isDirect() || found[i].order() != ByteOrder.nativeOrder()) {
                throw new IllegalArgumentException("the buffer of the " + kind + " " + ports.get(i).name
                        + " is not a direct one in native order; newInputBuffers and newOutputBuffers make such");
            }
            found[i] = found[i].position() == 0 ? found[i] : found[i].slice();
        }
        return found;
    }

    private static void count(String kind, List<Port> ports, int given) {
        if (given != ports.size()) {
            throw new IllegalArgumentException("expected " + ports.size() + " " + kind + "s " + ports
                    + ", got " + (given < 0 ? "null" : given));
        }
    }

    private static void length(String kind, Port port, int given, boolean whole) {
        int expected = whole ? port.length : port.stepLength;
        if (given != expected) {
            throw new IllegalArgumentException("the " + kind + " " + port.name + " takes " + expected
                    + " numbers, got " + (given < 0 ? "null" : given));
        }
    }

    private static float[][] arrays(List<Port> ports, boolean whole) {
        float[][] found = new float[ports.size()][];
        for (int i = 0; i < found.length; i++) {
            found[i] = new float[whole ? ports.get(i).length : ports.get(i).stepLength];
        }
        return found;
    }

    private static FloatBuffer[] buffers(List<Port> ports) {
        FloatBuffer[] found = new FloatBuffer[ports.size()];
        for (int i = 0; i < found.length; i++) {
            ByteBuffer bytes = ByteBuffer.allocateDirect(4 * ports.get(i).length);
            found[i] = bytes.order(ByteOrder.nativeOrder()).asFloatBuffer();
        }
        return found;
    }

    private static native long openEngine();

    private static native void closeEngine(long handle);

    private static native void resetEngine(long handle);

    private static native void runArrays(long handle, boolean whole, float[][] inputs, float[][] outputs);

    private static native void runBuffers(long handle, boolean whole, FloatBuffer[] inputs, FloatBuffer[] outputs);

    /** An input or output: float numbers, the last axis of the shape changing quickest. */
    public static final class Port {
        /** As in the model. */
        public final String name;
        /** Numbers in a whole call. */
        public final int length;
        /** Numbers at one time step. */
        public final int stepLength;
        private final int[] shape;

        private Port(String name, int length, int stepLength, int... shape) {
            this.name = name;
            this.length = length;
            this.stepLength = stepLength;
            this.shape = shape;
        }

        /** In a whole call, time steps first where it has a row for each. */
        public int[] shape() {
            return shape.clone();
        }

        @Override
        public String toString() {
            return name + Arrays.toString(shape);
        }
    }
}
""")


def java_source(told: Description, names: Naming) -> str:
    """``TYPE.java``."""
    rows = [(kind, plug) for kind, plugs in (("in", told.inputs), ("out", told.outputs)) for plug in plugs]
    return SOURCE.substitute(
        name=names.name,
        type=names.type,
        package=names.package,
        timesteps=told.timesteps,
        inputs=_ports(told.inputs),
        outputs=_ports(told.outputs),
        ports="\n".join(f" * <p>{kind}: {plain(plug.name)} [{numbers(plug.whole_shape)}]" for kind, plug in rows),
    )


def _ports(plugs: Sequence[Plug]) -> str:
    made = [
        f"new Port({', '.join([quoted_java(plug.name), str(plug.whole), str(plug.step), *map(str, plug.whole_shape)])})"
        for plug in plugs
    ]
    return ",\n".join(" " * 12 + line for line in made)
