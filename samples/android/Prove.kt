/**
 * Runs one function of Host.kt on raw files, as the golden records have them:
 *
 *     java -cp host.jar edgematte.ProveKt STEP IN OUT WIDTH HEIGHT TO_WIDTH TO_HEIGHT [THRESHOLD BAND]
 */
package edgematte

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

fun main(arguments: Array<String>) {
    val (step, source, target) = arguments
    val (width, height, toWidth, toHeight) = arguments.slice(3..6).map { it.toInt() }
    val data = File(source).readBytes()
    val answer = when (step) {
        "reduce" -> resizePicture(data, width, height, toWidth, toHeight)
        "enlarge" -> packed(enlargeAlpha(unpacked(data), width, height, toWidth, toHeight))
        "trimap" -> trimap(
            unpacked(data), width, height, toWidth, toHeight, arguments[7].toFloat(), arguments[8].toInt()
        )
        else -> error("there are reduce, enlarge and trimap, and no $step")
    }
    File(target).writeBytes(answer)
}

private fun unpacked(data: ByteArray): FloatArray {
    val floats = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
    return FloatArray(floats.remaining()) { floats.get(it) }
}

private fun packed(values: FloatArray): ByteArray {
    val buffer = ByteBuffer.allocate(4 * values.size).order(ByteOrder.LITTLE_ENDIAN)
    values.forEach { buffer.putFloat(it) }
    return buffer.array()
}
