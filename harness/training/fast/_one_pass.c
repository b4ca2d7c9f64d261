/* AdamW in one pass over memory, for bf16 weights under fp32 masters on a CPU (one_pass.py calls it).
 *
 * torch's own operations (gradients into fp32, their norm, fused AdamW, masters into bf16) move 48 bytes a weight, this
 * moves 30, and divides once where fused AdamW divides three times. The arithmetic is that of torch.optim.AdamW (Loshchilov and Hutter
 * 2019, algorithm 2), in fp32; bf16 is rounded to nearest even.
 */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Where the compiler can, one version for each kind of vector unit; the machine's own is chosen when this is loaded. */
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && __GNUC__ >= 12 && !defined(__clang__)
#define FOR_EACH_CPU __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_CPU
#endif

enum { BLOCK = 4096 };

/* What gradients are multiplied by (clipping); 1 - learning rate * weight decay; learning rate / (1 - beta1^t);
 * 1 / sqrt(1 - beta2^t); 1 - beta1; beta2; 1 - beta2; and AdamW's epsilon. */
struct recipe {
    float scale, keep, step_size, correction, new1, beta2, new2, epsilon;
};

static inline float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t to_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float from_bf16(uint16_t half) { return from_bits((uint32_t)half << 16); }

static inline uint16_t to_bf16(float value) {
    uint32_t bits = to_bits(value);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded); /* NaN stays NaN */
}

/* The sum of the squares of count bf16 numbers; blocks in fp32, their sum in double. */
FOR_EACH_CPU
static double squares(const uint16_t *values, size_t count) {
    double total = 0;
    for (size_t start = 0; start < count; start += BLOCK) {
        size_t end = start + BLOCK < count ? start + BLOCK : count;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t i = start; i < end; i++) {
            float value = from_bf16(values[i]);
            sum += value * value;
        }
        total += sum;
    }
    return total;
}

FOR_EACH_CPU
static void adamw(float *restrict master, float *restrict mean, float *restrict square, uint16_t *restrict weight,
                  const uint16_t *restrict gradient, size_t count, const struct recipe *recipe) {
    float scale = recipe->scale, keep = recipe->keep, step_size = recipe->step_size, correction = recipe->correction;
    float new1 = recipe->new1, beta2 = recipe->beta2, new2 = recipe->new2, epsilon = recipe->epsilon;
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        float slope = from_bf16(gradient[i]) * scale;
        float m = mean[i] + new1 * (slope - mean[i]);
        float v = beta2 * square[i] + new2 * slope * slope;
        float p = master[i] * keep - step_size * m / (sqrtf(v) * correction + epsilon);
        mean[i] = m;
        square[i] = v;
        master[i] = p;
        weight[i] = to_bf16(p);
    }
}

/* The sum of the squares of all gradients: parts of them, counts[i] numbers each. */
double sum_of_squares(const uint16_t *const *gradients, const size_t *counts, size_t parts) {
    double total = 0;
    for (size_t part = 0; part < parts; part++)
        total += squares(gradients[part], counts[part]);
    return total;
}

/* One AdamW step over the parts of one flat tensor of weights. The last comes first, so that what the next forward pass
 * begins with is in the caches when it begins. */
void step(float *master, float *mean, float *square, uint16_t *const *weights, const uint16_t *const *gradients,
          const size_t *counts, size_t parts, const struct recipe *recipe) {
    size_t end = 0;
    for (size_t part = 0; part < parts; part++)
        end += counts[part];
    for (size_t part = parts; part-- > 0;) {
        end -= counts[part];
        adamw(master + end, mean + end, square + end, weights[part], gradients[part], counts[part], recipe);
    }
}
