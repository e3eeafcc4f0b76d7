import edgeproof.smallnet.SmallNetEngine;
import java.io.DataInputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Runs the package's class on samples from stdin, in every way it can be run; writes the outputs to stdout. */
public final class Check {
    private static final int PIXELS = 64;

    public static void main(String[] words) throws Exception {
        List<float[]> samples = read();
        ByteBuffer written = ByteBuffer.allocate(samples.size() * 80).order(ByteOrder.LITTLE_ENDIAN);
        SmallNetEngine engine = SmallNetEngine.open();
        for (float[] sample : samples) {
            float[][] found = engine.run(sample);
            written.asFloatBuffer().put(found[0]).put(found[1]);
            written.position(written.position() + 80);
            same(found, inPlace(engine, sample), "arrays at hand");
            same(found, direct(engine, sample), "direct buffers");
            same(found, stepped(engine, sample), "steps");
        }
        refusals(engine, samples.get(0));
        engine.close();
        engine.close();
        fails(IllegalStateException.class, () -> engine.run(samples.get(0)));
        fails(IllegalStateException.class, () -> engine.step(samples.get(0)));
        fails(IllegalStateException.class, () -> {
            engine.reset();
            return null;
        });
        threads(samples);
        ports();
        try (PrintStream out = System.out) {
            out.write(written.array());
        }
    }

    private static List<float[]> read() throws Exception {
        byte[] bytes = new DataInputStream(System.in).readAllBytes();
        FloatBuffer all = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
        List<float[]> found = new ArrayList<>();
        while (all.hasRemaining()) {
            float[] one = new float[PIXELS];
            all.get(one);
            found.add(one);
        }
        return found;
    }

    private static float[][] inPlace(SmallNetEngine engine, float[] sample) {
        float[][] outputs = {new float[10], new float[10]};
        engine.run(new float[][] {sample}, outputs);
        return outputs;
    }

    private static float[][] direct(SmallNetEngine engine, float[] sample) {
        // The numbers stand in the middle of a larger buffer.
        FloatBuffer larger = ByteBuffer.allocateDirect(4 * (PIXELS + 3)).order(ByteOrder.nativeOrder()).asFloatBuffer();
        larger.position(2);
        larger.put(sample).flip().position(2);
        FloatBuffer[] outputs = SmallNetEngine.newOutputBuffers();
        engine.run(new FloatBuffer[] {larger}, outputs);
        float[][] found = {new float[10], new float[10]};
        outputs[0].get(found[0]);
        outputs[1].get(found[1]);
        return found;
    }

    private static float[][] stepped(SmallNetEngine engine, float[] sample) {
        float[] spikes = new float[10];
        float[][] last = null;
        engine.reset();
        for (int step = 0; step < SmallNetEngine.TIMESTEPS; step++) {
            last = engine.step(sample);
            for (int i = 0; i < spikes.length; i++) {
                spikes[i] += last[0][i];
            }
        }
        return new float[][] {spikes, last[1]};
    }

    private static void refusals(SmallNetEngine engine, float[] sample) {
        Class<? extends Exception> wrong = IllegalArgumentException.class;
        fails(wrong, () -> engine.run(new float[PIXELS - 1]));
        fails(wrong, () -> engine.run(new float[PIXELS + 1]));
        fails(wrong, () -> engine.run(sample, sample));
        fails(wrong, () -> engine.run((float[]) null));
        fails(wrong, () -> engine.run((float[][]) null));
        fails(wrong, () -> engine.run());
        fails(wrong, () -> engine.step(new float[0]));
        fails(wrong, () -> into(engine, new float[][] {sample}, new float[][] {new float[10]}));
        fails(wrong, () -> into(engine, new float[][] {sample}, new float[][] {new float[10], new float[9]}));
        FloatBuffer[] in = SmallNetEngine.newInputBuffers();
        FloatBuffer[] out = SmallNetEngine.newOutputBuffers();
        FloatBuffer heap = FloatBuffer.allocate(PIXELS);
        FloatBuffer swapped = ByteBuffer.allocateDirect(4 * PIXELS).order(ByteOrder.BIG_ENDIAN).asFloatBuffer();
        ByteBuffer odd = ByteBuffer.allocateDirect(4 * PIXELS + 1);
        odd.position(1);
        FloatBuffer crooked = odd.slice().order(ByteOrder.nativeOrder()).asFloatBuffer();
        FloatBuffer[] fixed = {out[0], out[1].asReadOnlyBuffer()};
        for (FloatBuffer one : new FloatBuffer[] {heap, swapped, crooked, out[0], null}) {
            fails(wrong, () -> into(engine, new FloatBuffer[] {one}, out));
        }
        fails(wrong, () -> into(engine, in, fixed));
        fails(wrong, () -> into(engine, in, new FloatBuffer[] {out[0]}));
    }

    private static Object into(SmallNetEngine engine, float[][] inputs, float[][] outputs) {
        engine.run(inputs, outputs);
        return null;
    }

    private static Object into(SmallNetEngine engine, FloatBuffer[] inputs, FloatBuffer[] outputs) {
        engine.run(inputs, outputs);
        return null;
    }

    private static void threads(List<float[]> samples) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(2);
        List<Callable<float[][][]>> both = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            both.add(() -> {
                float[][][] found = new float[samples.size()][][];
                try (SmallNetEngine engine = SmallNetEngine.open()) {
                    for (int round = 0; round < 20; round++) {
                        for (int at = 0; at < found.length; at++) {
                            found[at] = engine.run(samples.get(at));
                        }
                    }
                }
                return found;
            });
        }
        List<float[][][]> results = new ArrayList<>();
        for (Future<float[][][]> one : pool.invokeAll(both)) {
            results.add(one.get());
        }
        pool.shutdown();
        try (SmallNetEngine alone = SmallNetEngine.open()) {
            for (int at = 0; at < samples.size(); at++) {
                float[][] expected = alone.run(samples.get(at));
                same(expected, results.get(0)[at], "the first thread");
                same(expected, results.get(1)[at], "the second thread");
            }
        }
    }

    private static void ports() {
        String told = SmallNetEngine.INPUTS + " " + SmallNetEngine.OUTPUTS + " " + SmallNetEngine.TIMESTEPS;
        if (!told.equals("[pixels[64]] [spikes[10], membrane[10]] 12")) {
            throw new AssertionError(told);
        }
    }

    private static void same(float[][] expected, float[][] found, String what) {
        for (int i = 0; i < expected.length; i++) {
            for (int j = 0; j < expected[i].length; j++) {
                if (Float.floatToRawIntBits(expected[i][j]) != Float.floatToRawIntBits(found[i][j])) {
                    throw new AssertionError(what + ": " + Arrays.toString(found[i]));
                }
            }
        }
    }

    private static void fails(Class<? extends Exception> type, Callable<?> call) {
        try {
            call.call();
        } catch (Exception error) {
            if (type.isInstance(error) && error.getMessage().length() > 10) {
                return;
            }
            throw new AssertionError(error);
        }
        throw new AssertionError("nothing was refused");
    }
}
