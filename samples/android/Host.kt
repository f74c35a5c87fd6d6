/**
 * The host side of the lightweight net's fused cut (docs/porting.md), in Kotlin without dependencies:
 * from a photograph's bytes to the graph's input, and from its answers to alpha and trimap.
 *
 * Pictures are bytes, RGB, row after row; planes are floats, row after row. tests/test_android_host.py
 * compiles this file and proves each function on a bundle's golden records.
 */
package edgematte

import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.max
import kotlin.math.min

const val BACKGROUND: Byte = 0
const val UNKNOWN: Byte = 128.toByte()
const val FOREGROUND: Byte = 255.toByte()

private const val FRACTION_BITS = 22

/** For every sample of a line's result: the first sample it reads, how many, and their weights. */
private class Weights(source: Int, target: Int) {
    private val scale = source.toDouble() / target
    private val support = max(scale, 1.0)
    val taps = ceil(support).toInt() * 2 + 1
    val first = IntArray(target)
    val counts = IntArray(target)
    val values = DoubleArray(target * taps)

    init {
        for (i in 0 until target) {
            val centre = (i + 0.5) * scale
            val low = max(0, (centre - support + 0.5).toInt())
            val high = min(source, (centre + support + 0.5).toInt())
            var sum = 0.0
            for (at in low until high) {
                val weight = max(0.0, 1 - abs((at - centre + 0.5) / support))
                values[i * taps + at - low] = weight
                sum += weight
            }
            for (k in 0 until high - low) values[i * taps + k] /= sum
            first[i] = low
            counts[i] = high - low
        }
    }

    fun fixed() = IntArray(values.size) { (0.5 + values[it] * (1 shl FRACTION_BITS)).toInt() }
}

/** A picture stretched to a size by the triangle filter; bytes are rounded after each pass. */
fun resizePicture(picture: ByteArray, width: Int, height: Int, toWidth: Int, toHeight: Int): ByteArray {
    val across = if (toWidth == width) picture else bytes(picture, height, width, toWidth, 3)
    return if (toHeight == height) across else bytes(across, 1, height, toHeight, toWidth * 3)
}

/**
 * One pass over bytes: `lines` lines of `from` samples become lines of `to`. A sample has `channels`
 * bytes that lie side by side; all of them take the same weights.
 */
private fun bytes(data: ByteArray, lines: Int, from: Int, to: Int, channels: Int): ByteArray {
    val weights = Weights(from, to)
    val values = weights.fixed()
    val out = ByteArray(lines * to * channels)
    for (line in 0 until lines) for (i in 0 until to) for (channel in 0 until channels) {
        var sum = 1 shl (FRACTION_BITS - 1)
        var at = (line * from + weights.first[i]) * channels + channel
        for (k in 0 until weights.counts[i]) {
            sum += (data[at].toInt() and 255) * values[i * weights.taps + k]
            at += channels
        }
        out[(line * to + i) * channels + channel] = min(255, max(0, sum shr FRACTION_BITS)).toByte()
    }
    return out
}

/** A plane stretched to a size by the same filter, in floats. */
fun resizePlane(plane: FloatArray, width: Int, height: Int, toWidth: Int, toHeight: Int): FloatArray {
    val across = if (toWidth == width) plane else floats(plane, height, width, toWidth, 1)
    return if (toHeight == height) across else floats(across, 1, height, toHeight, toWidth)
}

private fun floats(data: FloatArray, lines: Int, from: Int, to: Int, channels: Int): FloatArray {
    val weights = Weights(from, to)
    val out = FloatArray(lines * to * channels)
    for (line in 0 until lines) for (i in 0 until to) for (channel in 0 until channels) {
        var sum = 0.0
        var at = (line * from + weights.first[i]) * channels + channel
        for (k in 0 until weights.counts[i]) {
            sum += data[at] * weights.values[i * weights.taps + k]
            at += channels
        }
        out[(line * to + i) * channels + channel] = sum.toFloat()
    }
    return out
}

/** Alpha of the whole picture: the graph's alpha, enlarged and clipped to 0 to 1. */
fun enlargeAlpha(alpha: FloatArray, width: Int, height: Int, toWidth: Int, toHeight: Int): FloatArray {
    val large = resizePlane(alpha, width, height, toWidth, toHeight)
    return FloatArray(large.size) { min(1f, max(0f, large[it])) }
}

/**
 * The trimap of the whole picture from P(background), P(foreground), P(unknown), three planes one
 * after the other: 0 background, 128 unknown, 255 foreground.
 */
fun trimap(
    probabilities: FloatArray, width: Int, height: Int, toWidth: Int, toHeight: Int,
    unknownThreshold: Float, bandPx: Int
): ByteArray {
    val area = width * height
    val (background, foreground, unknown) = List(3) {
        resizePlane(probabilities.copyOfRange(it * area, (it + 1) * area), width, height, toWidth, toHeight)
    }
    val trimap = ByteArray(toWidth * toHeight) {
        val likelier = max(background[it], foreground[it])
        when {
            unknown[it] >= min(unknownThreshold, likelier) -> UNKNOWN
            foreground[it] > background[it] -> FOREGROUND
            else -> BACKGROUND
        }
    }
    grow(trimap, toWidth, toHeight, bandPx)
    return trimap
}

/** Grow the unknown region, in place, by a square of side 2 * radius + 1. */
private fun grow(trimap: ByteArray, width: Int, height: Int, radius: Int) {
    val across = BooleanArray(trimap.size)
    for (y in 0 until height) spread(y * width, 1, width, radius, { trimap[it] == UNKNOWN }) { across[it] = true }
    for (x in 0 until width) spread(x, width, height, radius, { across[it] }) { trimap[it] = UNKNOWN }
}

/** Along a line: mark every place within the radius of one that is set. */
private inline fun spread(
    start: Int, step: Int, length: Int, radius: Int, isSet: (Int) -> Boolean, mark: (Int) -> Unit
) {
    var marked = 0
    for (i in 0 until length) {
        if (!isSet(start + i * step)) continue
        val end = min(length, i + radius + 1)
        for (k in max(marked, i - radius) until end) mark(start + k * step)
        marked = end
    }
}
