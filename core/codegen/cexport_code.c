/* What a C file that leaves is made of: one small function an op, or one that several share, as text. A
 * function stands after those it needs. Images are (rows, columns, channels) and loops run over channels
 * innermost, so that compilers vectorise them. */
#include "codegen/cexport.h"

/* clang-format off */
const anet__c_function anet__c_functions[] = {
    {"clamp", "",
     "/* NaN stays NaN. */\n"
     "static float clamp(float v, float low, float high)\n"
     "{\n"
     "  v = v < low ? low : v;\n"
     "  return v > high ? high : v;\n"
     "}\n"},
    {"finish", "clamp",
     "/* out = clamp(out + add, low, high); add may be NULL. */\n"
     "static void finish(float *out, const float *add, size_t n, float low, float high)\n"
     "{\n"
     "  for (size_t i = 0; i < n; i++) out[i] = clamp(out[i] + (add ? add[i] : 0.0f), low, high);\n"
     "}\n"},
    {"window", "",
     "/* A window that slides over an image; sizes are (rows, columns, channels). */\n"
     "typedef struct window {\n"
     "  int in[3], out[3], kernel[2], stride[2], dilation[2], pad[2], groups;\n"
     "} window;\n"
     "\n"
     "/* The input pixel that tap (ky, kx) of output pixel (y, x) reads; NULL: it is padding. */\n"
     "static const float *tap(const float *in, const window *w, int y, int x, int ky, int kx)\n"
     "{\n"
     "  const int row = y * w->stride[0] + ky * w->dilation[0] - w->pad[0];\n"
     "  const int column = x * w->stride[1] + kx * w->dilation[1] - w->pad[1];\n"
     "  if (row < 0 || row >= w->in[0] || column < 0 || column >= w->in[1]) return NULL;\n"
     "  return in + ((size_t)row * (size_t)w->in[1] + (size_t)column) * (size_t)w->in[2];\n"
     "}\n"},
    {"op_conv", "window finish",
     "/* One pixel's share of one tap: out[o] += in[i] * weight[i][o], group by group. */\n"
     "static void conv_tap(float *restrict out, const float *restrict in, const float *restrict weight,\n"
     "                     const window *w)\n"
     "{\n"
     "  const int cin = w->in[2] / w->groups, cout = w->out[2] / w->groups;\n"
     "  for (int g = 0; g < w->groups; g++)\n"
     "    for (int i = 0; i < cin; i++) {\n"
     "      const float v = in[g * cin + i];\n"
     "      const float *restrict k = weight + (size_t)i * (size_t)w->out[2] + g * cout;\n"
     "      float *restrict to = out + g * cout;\n"
     "      for (int o = 0; o < cout; o++) to[o] += v * k[o];\n"
     "    }\n"
     "}\n"
     "\n"
     "/* weight: (kernel rows, kernel columns, input channels of a group, output channels). */\n"
     "static void op_conv(float *out, const float *in, const float *weight, const float *bias,\n"
     "                    const float *add, float low, float high, window w)\n"
     "{\n"
     "  const size_t cout = (size_t)w.out[2], ld = (size_t)(w.in[2] / w.groups) * cout;\n"
     "  for (int y = 0; y < w.out[0]; y++)\n"
     "    for (int x = 0; x < w.out[1]; x++, out += cout) {\n"
     "      for (size_t o = 0; o < cout; o++) out[o] = bias ? bias[o] : 0.0f;\n"
     "      for (int ky = 0; ky < w.kernel[0]; ky++)\n"
     "        for (int kx = 0; kx < w.kernel[1]; kx++) {\n"
     "          const float *pixel = tap(in, &w, y, x, ky, kx);\n"
     "          if (pixel) conv_tap(out, pixel, weight + (size_t)(ky * w.kernel[1] + kx) * ld, &w);\n"
     "        }\n"
     "      finish(out, add, cout, low, high);\n"
     "      if (add) add += cout;\n"
     "    }\n"
     "}\n"},
    {"op_depthwise", "window finish",
     "static void depthwise_tap(float *restrict out, const float *restrict in,\n"
     "                          const float *restrict weight, size_t channels)\n"
     "{\n"
     "  for (size_t c = 0; c < channels; c++) out[c] += in[c] * weight[c];\n"
     "}\n"
     "\n"
     "/* weight: (kernel rows, kernel columns, channels). */\n"
     "static void op_depthwise(float *out, const float *in, const float *weight, const float *bias,\n"
     "                         const float *add, float low, float high, window w)\n"
     "{\n"
     "  const size_t channels = (size_t)w.out[2];\n"
     "  for (int y = 0; y < w.out[0]; y++)\n"
     "    for (int x = 0; x < w.out[1]; x++, out += channels) {\n"
     "      for (size_t c = 0; c < channels; c++) out[c] = bias ? bias[c] : 0.0f;\n"
     "      for (int ky = 0; ky < w.kernel[0]; ky++)\n"
     "        for (int kx = 0; kx < w.kernel[1]; kx++) {\n"
     "          const float *pixel = tap(in, &w, y, x, ky, kx);\n"
     "          const size_t at = (size_t)(ky * w.kernel[1] + kx) * channels;\n"
     "          if (pixel) depthwise_tap(out, pixel, weight + at, channels);\n"
     "        }\n"
     "      finish(out, add, channels, low, high);\n"
     "      if (add) add += channels;\n"
     "    }\n"
     "}\n"},
    {"op_linear", "finish",
     "/* weight: (inputs, outputs). */\n"
     "static void op_linear(float *restrict out, const float *restrict in, const float *restrict weight,\n"
     "                      const float *bias, const float *add, float low, float high, size_t inputs,\n"
     "                      size_t outputs)\n"
     "{\n"
     "  for (size_t o = 0; o < outputs; o++) out[o] = bias ? bias[o] : 0.0f;\n"
     "  for (size_t i = 0; i < inputs; i++)\n"
     "    for (size_t o = 0; o < outputs; o++) out[o] += in[i] * weight[i * outputs + o];\n"
     "  finish(out, add, outputs, low, high);\n"
     "}\n"},
    {"op_conv_transpose", "window",
     "/* Each input pixel is spread over the output pixels of its taps. The window is that of the\n"
     " * convolution from `out` to `in`. weight: (kernel rows, kernel columns, channels of `in`, channels\n"
     " * of `out` in a group). */\n"
     "static void op_conv_transpose(float *out, const float *in, const float *weight, const float *bias,\n"
     "                              window w)\n"
     "{\n"
     "  const int cout = w.in[2] / w.groups, share = w.out[2] / w.groups;\n"
     "  const size_t pixels = (size_t)w.in[0] * (size_t)w.in[1], wide = (size_t)w.in[2];\n"
     "  const size_t ld = (size_t)w.out[2] * (size_t)cout;\n"
     "  for (size_t p = 0; p < pixels; p++)\n"
     "    for (size_t o = 0; o < wide; o++) out[p * wide + o] = bias ? bias[o] : 0.0f;\n"
     "  for (int y = 0; y < w.out[0]; y++)\n"
     "    for (int x = 0; x < w.out[1]; x++, in += w.out[2])\n"
     "      for (int ky = 0; ky < w.kernel[0]; ky++)\n"
     "        for (int kx = 0; kx < w.kernel[1]; kx++) {\n"
     "          const float *seen = tap(out, &w, y, x, ky, kx);\n"
     "          if (!seen) continue;\n"
     "          float *pixel = out + (seen - out);\n"
     "          const float *k = weight + (size_t)(ky * w.kernel[1] + kx) * ld;\n"
     "          for (int i = 0; i < w.out[2]; i++, k += cout) {\n"
     "            float *to = pixel + i / share * cout;\n"
     "            for (int o = 0; o < cout; o++) to[o] += in[i] * k[o];\n"
     "          }\n"
     "        }\n"
     "}\n"},
    {"op_matmul", "",
     "/* Matrices (m, k) times (k, n). */\n"
     "static void op_matmul(float *restrict out, const float *restrict a, const float *restrict b,\n"
     "                      size_t matrices, size_t m, size_t k, size_t n)\n"
     "{\n"
     "  for (size_t r = 0; r < matrices * m; r++) {\n"
     "    const float *matrix = b + r / m * k * n;\n"
     "    memset(out + r * n, 0, n * sizeof *out);\n"
     "    for (size_t i = 0; i < k; i++)\n"
     "      for (size_t o = 0; o < n; o++) out[r * n + o] += a[r * k + i] * matrix[i * n + o];\n"
     "  }\n"
     "}\n"},
    {"op_channels", "clamp",
     "/* out = clamp(scale * in + shift, low, high), a scale and a shift a channel. */\n"
     "static void op_channels(float *out, const float *in, const float *scale, const float *shift,\n"
     "                        size_t pixels, size_t channels, float low, float high)\n"
     "{\n"
     "  for (size_t p = 0; p < pixels; p++)\n"
     "    for (size_t c = 0; c < channels; c++) {\n"
     "      const size_t at = p * channels + c;\n"
     "      out[at] = clamp(scale[c] * in[at] + shift[c], low, high);\n"
     "    }\n"
     "}\n"},
    {"normalise", "",
     "/* n values, `step` apart, to mean 0 and variance 1. */\n"
     "static void normalise(float *out, const float *in, size_t n, size_t step, float epsilon)\n"
     "{\n"
     "  double sum = 0.0, square = 0.0;\n"
     "  for (size_t i = 0; i < n; i++) sum += (double)in[i * step];\n"
     "  const double mean = sum / (double)n;\n"
     "  for (size_t i = 0; i < n; i++)\n"
     "    square += ((double)in[i * step] - mean) * ((double)in[i * step] - mean);\n"
     "  const double scale = 1.0 / sqrt(square / (double)n + (double)epsilon);\n"
     "  for (size_t i = 0; i < n; i++) out[i * step] = (float)(((double)in[i * step] - mean) * scale);\n"
     "}\n"},
    {"op_layer_norm", "normalise",
     "static void op_layer_norm(float *out, const float *in, const float *gamma, const float *beta,\n"
     "                          size_t pixels, size_t channels, float epsilon)\n"
     "{\n"
     "  for (size_t p = 0; p < pixels; p++, in += channels, out += channels) {\n"
     "    normalise(out, in, channels, 1, epsilon);\n"
     "    for (size_t c = 0; c < channels; c++) out[c] = out[c] * gamma[c] + beta[c];\n"
     "  }\n"
     "}\n"},
    {"op_instance_norm", "normalise",
     "static void op_instance_norm(float *out, const float *in, const float *gamma, const float *beta,\n"
     "                             size_t pixels, size_t channels, float epsilon)\n"
     "{\n"
     "  for (size_t c = 0; c < channels; c++) normalise(out + c, in + c, pixels, channels, epsilon);\n"
     "  for (size_t p = 0; p < pixels; p++, out += channels)\n"
     "    for (size_t c = 0; c < channels; c++) out[c] = out[c] * gamma[c] + beta[c];\n"
     "}\n"},
    {"op_clamp", "clamp",
     "static void op_clamp(float *out, const float *in, size_t n, float low, float high)\n"
     "{\n"
     "  for (size_t i = 0; i < n; i++) out[i] = clamp(in[i], low, high);\n"
     "}\n"},
    {"op_quantize", "clamp",
     "/* The nearest of 256 levels; zero is the level of 0. */\n"
     "static void op_quantize(float *out, const float *in, size_t n, float levels, float zero)\n"
     "{\n"
     "  for (size_t i = 0; i < n; i++)\n"
     "    out[i] = (clamp(rintf(in[i] * levels + zero), 0.0f, 255.0f) - zero) / levels;\n"
     "}\n"},
    {"op_prelu", "",
     "static void op_prelu(float *out, const float *in, const float *slope, size_t pixels,\n"
     "                     size_t channels)\n"
     "{\n"
     "  for (size_t p = 0; p < pixels; p++, in += channels, out += channels)\n"
     "    for (size_t c = 0; c < channels; c++) out[c] = in[c] > 0.0f ? in[c] : slope[c] * in[c];\n"
     "}\n"},
    {"op_add", "clamp",
     "static void op_add(float *out, const float *a, const float *b, size_t n, float low, float high)\n"
     "{\n"
     "  for (size_t i = 0; i < n; i++) out[i] = clamp(a[i] + b[i], low, high);\n"
     "}\n"},
    {"op_add_row", "clamp",
     "/* One row of channels is added to every pixel. */\n"
     "static void op_add_row(float *out, const float *in, const float *row, size_t pixels,\n"
     "                       size_t channels, float low, float high)\n"
     "{\n"
     "  for (size_t p = 0; p < pixels; p++, in += channels, out += channels)\n"
     "    for (size_t c = 0; c < channels; c++) out[c] = clamp(in[c] + row[c], low, high);\n"
     "}\n"},
    {"op_mul_row", "",
     "/* Every pixel is multiplied by one row of channels. */\n"
     "static void op_mul_row(float *out, const float *in, const float *row, size_t pixels,\n"
     "                       size_t channels)\n"
     "{\n"
     "  for (size_t p = 0; p < pixels; p++, in += channels, out += channels)\n"
     "    for (size_t c = 0; c < channels; c++) out[c] = in[c] * row[c];\n"
     "}\n"},
    {"op_copy", "",
     "/* `rows` runs of n values; ld: from one run to the next. */\n"
     "static void op_copy(float *out, size_t ld_out, const float *in, size_t ld_in, size_t n,\n"
     "                    size_t rows)\n"
     "{\n"
     "  for (size_t r = 0; r < rows; r++) memcpy(out + r * ld_out, in + r * ld_in, n * sizeof *out);\n"
     "}\n"},
    {"op_max_pool", "window",
     "/* Padding never wins; a NaN does. */\n"
     "static void op_max_pool(float *out, const float *in, window w)\n"
     "{\n"
     "  const size_t channels = (size_t)w.out[2];\n"
     "  for (int y = 0; y < w.out[0]; y++)\n"
     "    for (int x = 0; x < w.out[1]; x++, out += channels) {\n"
     "      int seen = 0;\n"
     "      memset(out, 0, channels * sizeof *out);\n"
     "      for (int ky = 0; ky < w.kernel[0]; ky++)\n"
     "        for (int kx = 0; kx < w.kernel[1]; kx++) {\n"
     "          const float *pixel = tap(in, &w, y, x, ky, kx);\n"
     "          if (!pixel) continue;\n"
     "          for (size_t c = 0; c < channels; c++)\n"
     "            if (!seen || pixel[c] > out[c] || pixel[c] != pixel[c]) out[c] = pixel[c];\n"
     "          seen = 1;\n"
     "        }\n"
     "    }\n"
     "}\n"},
    {"op_avg_pool", "window",
     "/* padding: whether it counts, as zeros. */\n"
     "static void op_avg_pool(float *out, const float *in, int padding, window w)\n"
     "{\n"
     "  const size_t channels = (size_t)w.out[2];\n"
     "  for (int y = 0; y < w.out[0]; y++)\n"
     "    for (int x = 0; x < w.out[1]; x++, out += channels) {\n"
     "      int count = 0;\n"
     "      memset(out, 0, channels * sizeof *out);\n"
     "      for (int ky = 0; ky < w.kernel[0]; ky++)\n"
     "        for (int kx = 0; kx < w.kernel[1]; kx++) {\n"
     "          const float *pixel = tap(in, &w, y, x, ky, kx);\n"
     "          count += padding || pixel;\n"
     "          for (size_t c = 0; pixel && c < channels; c++) out[c] += pixel[c];\n"
     "        }\n"
     "      for (size_t c = 0; c < channels; c++) out[c] *= 1.0f / (float)(count ? count : 1);\n"
     "    }\n"
     "}\n"},
    {"op_global_pool", "",
     "static void op_global_pool(float *out, const float *in, size_t pixels, size_t channels)\n"
     "{\n"
     "  memset(out, 0, channels * sizeof *out);\n"
     "  for (size_t p = 0; p < pixels; p++, in += channels)\n"
     "    for (size_t c = 0; c < channels; c++) out[c] += in[c];\n"
     "  for (size_t c = 0; c < channels; c++) out[c] *= 1.0f / (float)pixels;\n"
     "}\n"},
    {"op_reduce_sum", "",
     "/* in (outer, count, inner), out (outer, inner) = sum over count, times `share`. */\n"
     "static void op_reduce_sum(float *out, const float *in, size_t outer, size_t count, size_t inner,\n"
     "                          float share)\n"
     "{\n"
     "  for (size_t o = 0; o < outer; o++, in += count * inner)\n"
     "    for (size_t i = 0; i < inner; i++) {\n"
     "      double sum = 0.0;\n"
     "      for (size_t k = 0; k < count; k++) sum += (double)in[k * inner + i];\n"
     "      *out++ = (float)(sum * (double)share);\n"
     "    }\n"
     "}\n"},
    {"op_reduce_max", "",
     "/* in (outer, count, inner), out (outer, inner) = the largest of count. */\n"
     "static void op_reduce_max(float *out, const float *in, size_t outer, size_t count, size_t inner)\n"
     "{\n"
     "  for (size_t o = 0; o < outer; o++, in += count * inner, out += inner) {\n"
     "    memcpy(out, in, inner * sizeof *out);\n"
     "    for (size_t k = 1; k < count; k++)\n"
     "      for (size_t i = 0; i < inner; i++)\n"
     "        out[i] = out[i] > in[k * inner + i] ? out[i] : in[k * inner + i];\n"
     "  }\n"
     "}\n"},
    {"op_reduce_prod", "",
     "/* in (outer, count, inner), out (outer, inner) = the product over count. */\n"
     "static void op_reduce_prod(float *out, const float *in, size_t outer, size_t count, size_t inner)\n"
     "{\n"
     "  for (size_t o = 0; o < outer; o++, in += count * inner)\n"
     "    for (size_t i = 0; i < inner; i++) {\n"
     "      double product = 1.0;\n"
     "      for (size_t k = 0; k < count; k++) product *= (double)in[k * inner + i];\n"
     "      *out++ = (float)product;\n"
     "    }\n"
     "}\n"},
    {"op_where", "",
     "static void op_where(float *out, const float *choice, const float *a, const float *b, size_t n)\n"
     "{\n"
     "  for (size_t i = 0; i < n; i++) out[i] = choice[i] != 0.0f ? a[i] : b[i];\n"
     "}\n"},
    {"op_top_k", "",
     "/* The `keep` largest (or smallest) of each line of `count` values, `inner` apart, the first of equals\n"
     " * first: their values, or their places. A NaN is beyond all numbers. */\n"
     "static int beats(float a, float b, int smallest)\n"
     "{\n"
     "  return (smallest ? a < b : a > b) || (a != a && b == b);\n"
     "}\n"
     "\n"
     "static void op_top_k(float *out, const float *in, size_t outer, size_t count, size_t inner,\n"
     "                     size_t keep, int smallest, int places)\n"
     "{\n"
     "  for (size_t l = 0; l < outer * inner; l++) {\n"
     "    const float *x = in + l / inner * count * inner + l % inner;\n"
     "    float *y = out + l / inner * keep * inner + l % inner;\n"
     "    for (size_t k = 0, held = 0; k < count; k++) {\n"
     "      size_t at = held;\n"
     "      while (at > 0 && beats(x[k * inner], x[(size_t)y[(at - 1) * inner] * inner], smallest)) at--;\n"
     "      if (at == keep) continue;\n"
     "      held += held < keep;\n"
     "      for (size_t i = held - 1; i > at; i--) y[i * inner] = y[(i - 1) * inner];\n"
     "      y[at * inner] = (float)k;\n"
     "    }\n"
     "    for (size_t k = 0; !places && k < keep; k++) y[k * inner] = x[(size_t)y[k * inner] * inner];\n"
     "  }\n"
     "}\n"},
    {"op_take", "",
     "/* Elements of `in` by their places along one axis: `count` places `stride` apart. Along each axis of the\n"
     " * result `size` elements, `data` apart in `in` (0 along that axis), `index` apart in `place`. */\n"
     "typedef struct taking {\n"
     "  int rank;\n"
     "  size_t size[5], data[5], index[5], count, stride;\n"
     "} taking;\n"
     "\n"
     "static void op_take(float *out, const float *in, const float *place, taking t)\n"
     "{\n"
     "  size_t all = 1;\n"
     "  for (int d = 0; d < t.rank; d++) all *= t.size[d];\n"
     "  for (size_t i = 0; i < all; i++) {\n"
     "    size_t from = 0, at = 0, rest = i;\n"
     "    for (int d = t.rank - 1; d >= 0; d--) {\n"
     "      from += rest % t.size[d] * t.data[d];\n"
     "      at += rest % t.size[d] * t.index[d];\n"
     "      rest /= t.size[d];\n"
     "    }\n"
     "    float p = truncf(place[at]);\n"
     "    if (p < 0.0f) p += (float)t.count;\n"
     "    const size_t k = !(p > 0.0f) ? 0 : p < (float)t.count ? (size_t)p : t.count - 1;\n"
     "    *out++ = in[from + k * t.stride];\n"
     "  }\n"
     "}\n"},
    {"op_pad", "",
     "/* Pixels and channels around an image; what is none of it is `value`. */\n"
     "typedef struct margin {\n"
     "  int in[3], out[3], top, left, before; /* before: channels before the image's own */\n"
     "  enum { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE } mode;\n"
     "} margin;\n"
     "\n"
     "/* Which of `size` pixels stands at `at`; -1: none. */\n"
     "static int pad_source(int at, int size, int mode)\n"
     "{\n"
     "  if (at >= 0 && at < size) return at;\n"
     "  if (mode == PAD_CONSTANT) return -1;\n"
     "  if (mode == PAD_EDGE) return at < 0 ? 0 : size - 1;\n"
     "  return at < 0 ? -at : 2 * (size - 1) - at;\n"
     "}\n"
     "\n"
     "static void op_pad(float *out, const float *in, float value, margin m)\n"
     "{\n"
     "  const size_t channels = (size_t)m.in[2], wide = (size_t)m.out[2];\n"
     "  for (int y = 0; y < m.out[0]; y++)\n"
     "    for (int x = 0; x < m.out[1]; x++, out += wide) {\n"
     "      const int row = pad_source(y - m.top, m.in[0], m.mode);\n"
     "      const int column = pad_source(x - m.left, m.in[1], m.mode);\n"
     "      for (size_t c = 0; c < wide; c++) out[c] = value;\n"
     "      if (row < 0 || column < 0) continue;\n"
     "      memcpy(out + m.before, in + ((size_t)row * (size_t)m.in[1] + (size_t)column) * channels,\n"
     "             channels * sizeof *out);\n"
     "    }\n"
     "}\n"},
    {"op_softmax", "",
     "/* Lines of `count` values, `inner` apart. */\n"
     "static void op_softmax(float *out, const float *in, size_t outer, size_t count, size_t inner)\n"
     "{\n"
     "  for (size_t l = 0; l < outer * inner; l++) {\n"
     "    const float *x = in + l / inner * count * inner + l % inner;\n"
     "    float *y = out + (x - in), top = x[0], sum = 0.0f;\n"
     "    for (size_t i = 1; i < count; i++) top = x[i * inner] > top ? x[i * inner] : top;\n"
     "    for (size_t i = 0; i < count; i++) sum += y[i * inner] = expf(x[i * inner] - top);\n"
     "    for (size_t i = 0; i < count; i++) y[i * inner] /= sum;\n"
     "  }\n"
     "}\n"},
    {"op_log_softmax", "",
     "/* Lines of `count` values, `inner` apart. */\n"
     "static void op_log_softmax(float *out, const float *in, size_t outer, size_t count, size_t inner)\n"
     "{\n"
     "  for (size_t l = 0; l < outer * inner; l++) {\n"
     "    const float *x = in + l / inner * count * inner + l % inner;\n"
     "    float *y = out + (x - in), top = x[0];\n"
     "    double sum = 0.0;\n"
     "    for (size_t i = 1; i < count; i++) top = x[i * inner] > top ? x[i * inner] : top;\n"
     "    for (size_t i = 0; i < count; i++) sum += (double)expf(x[i * inner] - top);\n"
     "    const float shift = top + (float)log(sum);\n"
     "    for (size_t i = 0; i < count; i++) y[i * inner] = x[i * inner] - shift;\n"
     "  }\n"
     "}\n"},
    {"op_lrn", "",
     "/* Each channel by a power of the mean square of those around it, in a window of `size`. */\n"
     "static void op_lrn(float *out, const float *in, size_t pixels, size_t channels, size_t size,\n"
     "                   float alpha, float beta, float epsilon)\n"
     "{\n"
     "  const size_t before = (size - 1) / 2, behind = size / 2;\n"
     "  for (size_t p = 0; p < pixels; p++, in += channels, out += channels)\n"
     "    for (size_t c = 0; c < channels; c++) {\n"
     "      const size_t last = c + behind < channels ? c + behind : channels - 1;\n"
     "      float sum = 0.0f;\n"
     "      for (size_t k = c > before ? c - before : 0; k <= last; k++) sum += in[k] * in[k];\n"
     "      out[c] = in[c] * powf(epsilon + alpha / (float)size * sum, -beta);\n"
     "    }\n"
     "}\n"},
    {"op_resize", "",
     "/* centre: pixels correspond by their centres, by their corners, or the outermost to each other.\n"
     " * round, of the nearest: halves go down, all down, all up, halves go up. */\n"
     "typedef struct scaling {\n"
     "  int in[2], out[2], channels;\n"
     "  enum { NEAREST, BILINEAR } mode;\n"
     "  enum { CENTRE, CORNER, ALIGN } centre;\n"
     "  enum { HALF_DOWN, DOWN, UP, HALF_UP } round;\n"
     "} scaling;\n"
     "\n"
     "/* An output pixel is (1 - weight) of input pixel a and weight of pixel b. */\n"
     "typedef struct blend {\n"
     "  int a, b;\n"
     "  float weight;\n"
     "} blend;\n"
     "\n"
     "static long long floor_of(long long a, long long b)\n"
     "{\n"
     "  return a >= 0 ? a / b : -((b - 1 - a) / b);\n"
     "}\n"
     "\n"
     "/* Of output pixel o on axis i. It lies at at / full in the input: whole numbers do not round. */\n"
     "static blend blend_at(const scaling *s, int i, int o)\n"
     "{\n"
     "  const long long in = s->in[i], out = s->out[i];\n"
     "  long long at = (2 * (long long)o + 1) * in - out, full = 2 * out;\n"
     "  if (s->centre == CORNER) at = 2 * (long long)o * in;\n"
     "  if (s->centre == ALIGN) at = 2 * (long long)o * (in - 1), full = out > 1 ? 2 * (out - 1) : 2;\n"
     "  if (s->mode == NEAREST) {\n"
     "    if (s->round == DOWN) at = floor_of(at, full);\n"
     "    else if (s->round == UP) at = -floor_of(-at, full);\n"
     "    else if (s->round == HALF_UP) at = floor_of(at + full / 2, full);\n"
     "    else at = -floor_of(full / 2 - at, full);\n"
     "    at = at < 0 ? 0 : at > in - 1 ? in - 1 : at;\n"
     "    return (blend){(int)at, (int)at, 0.0f};\n"
     "  }\n"
     "  at = at < 0 ? 0 : at > (in - 1) * full ? (in - 1) * full : at;\n"
     "  const int a = (int)(at / full), b = a + 1 < s->in[i] ? a + 1 : a;\n"
     "  return (blend){a, b, a == b ? 0.0f : (float)(at % full) / (float)full};\n"
     "}\n"
     "\n"
     "static float blended(float a, float b, float weight)\n"
     "{\n"
     "  return (1.0f - weight) * a + weight * b;\n"
     "}\n"
     "\n"
     "static void op_resize(float *out, const float *in, scaling s)\n"
     "{\n"
     "  const size_t channels = (size_t)s.channels, line = (size_t)s.in[1] * channels;\n"
     "  for (int y = 0; y < s.out[0]; y++) {\n"
     "    const blend v = blend_at(&s, 0, y);\n"
     "    for (int x = 0; x < s.out[1]; x++, out += channels) {\n"
     "      const blend h = blend_at(&s, 1, x);\n"
     "      const float *above = in + (size_t)v.a * line, *below = in + (size_t)v.b * line;\n"
     "      const size_t left = (size_t)h.a * channels, right = (size_t)h.b * channels;\n"
     "      if (s.mode == NEAREST) {\n"
     "        memcpy(out, above + left, channels * sizeof *out);\n"
     "        continue;\n"
     "      }\n"
     "      for (size_t c = 0; c < channels; c++)\n"
     "        out[c] = (1.0f - v.weight) * blended(above[left + c], above[right + c], h.weight) +\n"
     "                 v.weight * blended(below[left + c], below[right + c], h.weight);\n"
     "    }\n"
     "  }\n"
     "}\n"},
    {"op_gather", "",
     "/* How an array is read in another order: `size` elements along each axis of the result, `step`\n"
     " * apart in the array. */\n"
     "typedef struct walk {\n"
     "  int rank;\n"
     "  size_t size[16], step[16];\n"
     "} walk;\n"
     "\n"
     "static void op_gather(float *out, const float *in, walk w)\n"
     "{\n"
     "  size_t at[16] = {0}, from = 0;\n"
     "  const int last = w.rank - 1;\n"
     "  for (int axis = 0; axis >= 0;) {\n"
     "    for (size_t i = 0; i < w.size[last]; i++) *out++ = in[from + i * w.step[last]];\n"
     "    for (axis = last - 1; axis >= 0; axis--) { /* the next place, as a clock's hands move */\n"
     "      from += w.step[axis];\n"
     "      if (++at[axis] < w.size[axis]) break;\n"
     "      from -= w.step[axis] * w.size[axis];\n"
     "      at[axis] = 0;\n"
     "    }\n"
     "  }\n"
     "}\n"},
    {NULL, NULL, NULL},
};

/* Of one number x; a, b: parameters. */
const anet__c_formula anet__c_unary[] = {
    {ANET_OP_LEAKY_RELU, "", "x > 0.0f ? x : a * x", 1},
    {ANET_OP_SIGMOID, "", "1.0f / (1.0f + expf(-x))", 0},
    {ANET_OP_HARD_SIGMOID, "clamp", "clamp(x * (1.0f / 6.0f) + 0.5f, 0.0f, 1.0f)", 0},
    {ANET_OP_HARD_SWISH, "clamp", "x * clamp(x * (1.0f / 6.0f) + 0.5f, 0.0f, 1.0f)", 0},
    {ANET_OP_SWISH, "", "x / (1.0f + expf(-x))", 0},
    {ANET_OP_AFFINE, "", "a * x + b", 2},
    {ANET_OP_ELU, "", "x > 0.0f ? x : a * expm1f(x)", 1},
    {ANET_OP_GELU, "", "0.5f * x * (1.0f + erff(x * 0.70710678f))", 0},
    {ANET_OP_MISH, "", "x * tanhf(fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))))", 0},
    {ANET_OP_SOFTPLUS, "", "fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)))", 0},
    {ANET_OP_TANH, "", "tanhf(x)", 0},
    {ANET_OP_SOFTSIGN, "", "x / (1.0f + fabsf(x))", 0},
    {ANET_OP_THRESHOLD, "", "x > a ? x : 0.0f", 1},
    {ANET_OP_SQRT, "", "sqrtf(x)", 0},
    {ANET_OP_EXP, "", "expf(x)", 0},
    {ANET_OP_LOG, "", "logf(x)", 0},
    {ANET_OP_ABS, "", "fabsf(x)", 0},
    {ANET_OP_RECIPROCAL, "", "1.0f / x", 0},
    {ANET_OP_POWER, "", "powf(x, a)", 1},
    {ANET_OP_ERF, "", "erff(x)", 0},
    {ANET_OP_SIN, "", "sinf(x)", 0},
    {ANET_OP_COS, "", "cosf(x)", 0},
    {ANET_OP_FLOOR, "", "floorf(x)", 0},
    {ANET_OP_CEIL, "", "ceilf(x)", 0},
    {ANET_OP_ROUND, "", "rintf(x)", 0},
    {ANET_OP_TRUNC, "", "truncf(x)", 0},
    {ANET_OP_SIGN, "", "(float)((x > 0.0f) - (x < 0.0f))", 0},
    {ANET_OP_COUNT, NULL, NULL, 0},
};

/* gelu with attr.mode 1 */
const anet__c_formula anet__c_gelu_tanh = {
    ANET_OP_GELU, "", "0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)))", 0};

/* Of two numbers x, y. */
const anet__c_formula anet__c_binary[] = {
    {ANET_OP_MUL, "", "x * y", 0},
    {ANET_OP_SUB, "", "x - y", 0},
    {ANET_OP_DIV, "", "x / y", 0},
    {ANET_OP_MINIMUM, "", "x <= y ? x : y", 0},
    {ANET_OP_MAXIMUM, "", "x >= y ? x : y", 0},
    {ANET_OP_POW, "", "powf(x, y)", 0},
    {ANET_OP_MOD, "", "fmodf(x, y)", 0},
    {ANET_OP_EQUAL, "", "x == y ? 1.0f : 0.0f", 0},
    {ANET_OP_LESS, "", "x < y ? 1.0f : 0.0f", 0},
    {ANET_OP_LESS_EQUAL, "", "x <= y ? 1.0f : 0.0f", 0},
    {ANET_OP_COUNT, NULL, NULL, 0},
};
/* clang-format on */
