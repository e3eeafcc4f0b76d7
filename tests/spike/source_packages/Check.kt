import edgeproof.smallnet.SmallNetEngine
import edgeproof.smallnet.advance
import edgeproof.smallnet.predict
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** Runs the package's Kotlin on samples from stdin; writes the outputs to stdout. */
fun main() {
    val given = ByteBuffer.wrap(System.`in`.readBytes()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
    val written = ByteBuffer.allocate(given.remaining() / 64 * 80).order(ByteOrder.LITTLE_ENDIAN)
    val numbers = written.asFloatBuffer()
    SmallNetEngine.open().use { engine ->
        while (given.hasRemaining()) {
            val pixels = FloatArray(64).also { given.get(it) }
            val result = engine.predict(pixels = pixels)
            numbers.put(result.spikes).put(result.membrane)
            engine.reset()
            val steps = (1..SmallNetEngine.TIMESTEPS).map { engine.advance(pixels) }
            check(steps.last().membrane.contentEquals(result.membrane))
            check(steps.map { it.spikes.sum() }.sum() == result.spikes.sum())
        }
    }
    System.out.write(written.array())
    System.out.flush()
}
