/* A net as one C99 file and its header. */
#include "codegen/cexport.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "elastic/quantized.h"

/* ---- text
 * ------------------------------------------------------------------------------------------ */

static void flush(anet__c_writer *w)
{
  if (w->sink && !w->rc) w->rc = anet__sink_put(w->sink, w->buffer, w->fill);
  w->fill = 0;
}

/* Pieces longer than the buffer are written on their own. */
static void put_text(anet__c_writer *w, const char *text, size_t bytes)
{
  if (w->fill + bytes > sizeof w->buffer) flush(w);
  if (bytes > sizeof w->buffer) {
    if (w->sink && !w->rc) w->rc = anet__sink_put(w->sink, text, bytes);
    return;
  }
  memcpy(w->buffer + w->fill, text, bytes);
  w->fill += bytes;
}

static void put_all(anet__c_writer *w, const char *text)
{
  put_text(w, text, strlen(text));
}

void anet__c_put(anet__c_writer *w, const char *format, ...)
{
  char text[1024];
  va_list args;
  va_start(args, format);
  const int count = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  ANET_ASSERT(count >= 0 && (size_t)count < sizeof text);
  put_text(w, text, (size_t)count);
}

/* What is neither digit, sign nor exponent is the locale's decimal point, of one or more bytes. */
static void mend(char *text)
{
  char *to = text;
  bool whole = true;
  for (const char *from = text; *from; from++) {
    const bool point = !strchr("0123456789+-e", *from);
    whole = whole && !point && *from != 'e';
    if (!point)
      *to++ = *from;
    else if (to == text || to[-1] != '.')
      *to++ = '.';
  }
  strcpy(to, whole ? ".0f" : "f");
}

const char *anet__c_number(float value, int32_t digits, char text[ANET_C_NUMBER])
{
  enum { MOST = 9 }; /* digits that tell any float */
  if (isnan(value)) return "NAN";
  if (isinf(value)) return value < 0 ? "-INFINITY" : "INFINITY";
  for (int32_t d = digits ? digits : 1; d <= MOST; d++) {
    snprintf(text, ANET_C_NUMBER, "%.*g", d, (double)value);
    if (strtof(text, NULL) == value) break;
  }
  mend(text);
  return text;
}

const char *anet__c_safe(const char *name, char text[ANET_C_TEXT])
{
  size_t n = 0;
  for (; name[n] && n + 1 < ANET_C_TEXT; n++) {
    const char c = name[n];
    text[n] = isalnum((unsigned char)c) || (c && strchr("_.:-/ ", c)) ? c : '_';
  }
  text[n] = '\0';
  return text;
}

void anet__c_use(anet__c_writer *w, const char *functions)
{
  for (const char *name = functions; *name;) {
    const size_t length = strcspn(name, " ");
    for (int32_t i = 0; anet__c_functions[i].name; i++) {
      const anet__c_function *f = &anet__c_functions[i];
      if (w->used[i] || strlen(f->name) != length || strncmp(f->name, name, length) != 0) continue;
      w->used[i] = true;
      anet__c_use(w, f->needs);
    }
    name += length + strspn(name + length, " ");
  }
}

/* ---- the interface
 * --------------------------------------------------------------------------------------- */

/* The face of an input or output as the caller has it; plain: made here where the description has
 * none. */
static const anet_c_face *face_of(const anet__c_program *p, bool output, int32_t index,
                                  anet_c_face *plain)
{
  const anet_c_face *faces = output ? p->desc->output : p->desc->input;
  const anet__node *node =
      anet__net_at(p->net, output ? p->net->output[index] : p->net->input[index]);
  if (faces) return &faces[index];
  *plain = (anet_c_face){.name = node->name, .dims = node->shape.rank};
  for (int32_t i = 0; i < node->shape.rank; i++) plain->dim[i] = node->shape.dim[i];
  return plain;
}

static size_t face_size(const anet_c_face *face)
{
  size_t n = 1;
  for (int32_t i = 0; i < face->dims; i++) n *= (size_t)face->dim[i];
  return n;
}

static void put_dims(anet__c_writer *w, const anet_c_face *face, const char *between)
{
  for (int32_t i = 0; i < face->dims; i++) anet__c_put(w, "%s%d", i ? between : "", face->dim[i]);
  if (!face->dims) anet__c_put(w, "1");
}

/* "const float *in0, const float *in1, float *out0" */
static void put_arguments(const anet__c_program *p, anet__c_writer *w, bool types)
{
  if (p->desc->blob) anet__c_put(w, "%sweights, ", types ? "const float *" : "");
  for (int32_t i = 0; i < p->net->inputs; i++)
    anet__c_put(w, "%sin%d, ", types ? "const float *" : "", i);
  for (int32_t i = 0; i < p->net->outputs; i++)
    anet__c_put(w, "%s%sout%d", i ? ", " : "", types ? "float *" : "", i);
}

static void put_prototype(const anet__c_program *p, anet__c_writer *w, bool arena)
{
  anet__c_put(w, "int %s_run%s(%s", p->name, arena ? "_in" : "", arena ? "float *arena, " : "");
  put_arguments(p, w, true);
  anet__c_put(w, ")");
}

static void put_faces(const anet__c_program *p, anet__c_writer *w, bool output)
{
  char text[ANET_C_TEXT];
  const int32_t count = output ? p->net->outputs : p->net->inputs;
  anet__c_put(w, "#define %s_%s %d\n", p->upper, output ? "OUTPUTS" : "INPUTS", count);
  for (int32_t i = 0; i < count; i++) {
    anet_c_face plain;
    const anet_c_face *face = face_of(p, output, i, &plain);
    const char *side = output ? "OUT" : "IN";
    anet__c_put(w, "/* %s%d '%s', floats of one image: ", output ? "out" : "in", i,
                anet__c_safe(face->name, text));
    put_dims(w, face, " x ");
    anet__c_put(w, " */\n#define %s_%s%d_SIZE %zu\n", p->upper, side, i, face_size(face));
    anet__c_put(w, "#define %s_%s%d_RANK %d\n", p->upper, side, i, ANET_MAX(face->dims, 1));
    anet__c_put(w, "#define %s_%s%d_SHAPE {", p->upper, side, i);
    put_dims(w, face, ", ");
    anet__c_put(w, "}\n");
  }
}

static void put_about(const anet__c_program *p, anet__c_writer *w)
{
  const bool turned = p->desc->input != NULL;
  put_all(
      w, "/* A network, written by anet. C99 and its library, nothing else.\n *\n"
         " * Arrays are dense floats, the last axis fastest. The axes of one image stand below;\n");
  put_all(w, turned ? " * they are as in the file that the network came from: (channels, rows, "
                      "columns) for ONNX.\n"
                    : " * images are (rows, columns, channels).\n");
  put_all(w, " *\n * A call runs one image; n of them are a loop over in + i * SIZE and out + i * "
             "SIZE. It gives\n"
             " * 0, or 1 where a pointer is NULL. Outputs must not overlap inputs. */\n");
}

static void put_declarations(const anet__c_program *p, anet__c_writer *w)
{
  anet__c_put(
      w,
      "\n/* arena: %s_ARENA_BYTES of the caller's memory, whatever is in it. Threads may run at\n"
      " * once, each with an arena of its own. */\n",
      p->upper);
  put_prototype(p, w, true);
  anet__c_put(w,
              ";\n\n/* With an arena inside, so one call at a time. Define %s_NO_STATIC to leave "
              "it out. */\n",
              p->upper);
  anet__c_put(w, "#ifndef %s_NO_STATIC\n", p->upper);
  put_prototype(p, w, false);
  anet__c_put(w, ";\n#endif\n");
}

static void put_header(const anet__c_program *p, anet__c_writer *w)
{
  put_about(p, w);
  anet__c_put(w, "#ifndef %s_H\n#define %s_H\n\n", p->upper, p->upper);
  anet__c_put(w, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
  put_faces(p, w, false);
  put_faces(p, w, true);
  anet__c_put(w, "#define %s_ARENA_BYTES %zu /* of activations */\n", p->upper,
              p->arena * sizeof(float));
  anet__c_put(w, "#define %s_WEIGHTS %zu /* floats%s */\n", p->upper, p->floats,
              p->desc->blob ? ", little-endian, of the file that `weights` points to" : "");
  put_declarations(p, w);
  anet__c_put(w, "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}

/* ---- the source
 * ------------------------------------------------------------------------------------------ */

static void put_part(const anet__c_program *p, anet__c_writer *w, const anet__c_part *part)
{
  enum { A_LINE = 8 };
  char text[ANET_C_TEXT], number[ANET_C_NUMBER];
  anet__c_put(w, "  /* %zu: %s of '%s' */", part->begin, part->name,
              anet__c_safe(p->net->node[part->node].name, text));
  for (size_t i = 0; i < part->count; i++) {
    put_all(w, i % A_LINE ? " " : "\n  ");
    put_all(w, anet__c_number(p->weights[part->begin + i], 9, number));
    put_all(w, ",");
  }
  anet__c_put(w, "\n");
}

static void put_weights(const anet__c_program *p, anet__c_writer *w)
{
  if (p->desc->blob || !p->floats) return;
  anet__c_put(w, "\nstatic const float weights[%zu] = {\n", p->floats);
  for (int32_t i = 0; i < p->parts; i++) put_part(p, w, &p->part[i]);
  anet__c_put(w, "};\n");
}

static void put_formula(anet__c_writer *w, const anet__c_formula *f, const char *suffix,
                        bool binary)
{
  static const char *const parameters[] = {"", ", float a", ", float a, float b"};
  anet__c_put(w, "\nstatic void op_%s%s(float *out, const float *%s, size_t n%s)\n{\n",
              anet__op_get(f->op)->name, suffix, binary ? "in, const float *other" : "in",
              parameters[f->parameters]);
  anet__c_put(w, "  for (size_t i = 0; i < n; i++) {\n    const float x = in[i]%s;\n",
              binary ? ", y = other[i]" : "");
  anet__c_put(w, "    out[i] = %s;\n  }\n}\n", f->text);
}

static void put_functions(anet__c_writer *w)
{
  for (int32_t i = 0; anet__c_functions[i].name; i++) {
    if (!w->used[i]) continue;
    put_all(w, "\n");
    put_all(w, anet__c_functions[i].text);
  }
  for (const anet__c_formula *f = anet__c_unary; f->op != ANET_OP_COUNT; f++)
    if (w->formula[f->op]) put_formula(w, f, "", false);
  if (w->gelu_tanh) put_formula(w, &anet__c_gelu_tanh, "_tanh", false);
  for (const anet__c_formula *f = anet__c_binary; f->op != ANET_OP_COUNT; f++)
    if (w->formula[f->op]) put_formula(w, f, "", true);
}

static void put_check(const anet__c_program *p, anet__c_writer *w)
{
  anet__c_put(w, "  if (!arena%s", p->desc->blob ? " || !weights" : "");
  for (int32_t i = 0; i < p->net->inputs; i++) anet__c_put(w, " || !in%d", i);
  for (int32_t i = 0; i < p->net->outputs; i++) anet__c_put(w, " || !out%d", i);
  anet__c_put(w, ") return 1;\n");
}

static void put_runs(const anet__c_program *p, anet__c_writer *w)
{
  anet__c_put(w, "\n");
  put_prototype(p, w, true);
  anet__c_put(w, "\n{\n");
  put_check(p, w);
  w->rc = w->rc ? w->rc : anet__c_calls(p, w);
  anet__c_put(w, "  return 0;\n}\n\n#ifndef %s_NO_STATIC\n", p->upper);
  put_prototype(p, w, false);
  anet__c_put(
      w, "\n{\n  static float arena[%s_ARENA_BYTES / sizeof(float)];\n  return %s_run_in(arena, ",
      p->upper, p->name);
  put_arguments(p, w, false);
  anet__c_put(w, ");\n}\n#endif\n");
}

/* ---- files
 * -------------------------------------------------------------------------------------------------
 */

/* What a file is made from. header: the name that the source includes it by. */
typedef struct job {
  const anet__c_program *program;
  anet__c_writer *writer;
  const char *header;
} job;

static int fill_header(anet__sink *sink, void *context)
{
  const job *j = context;
  j->writer->sink = sink;
  put_header(j->program, j->writer);
  flush(j->writer);
  return j->writer->rc;
}

static int fill_source(anet__sink *sink, void *context)
{
  const job *j = context;
  anet__c_writer *w = j->writer;
  w->sink = sink;
  anet__c_put(w, "/* A network, written by anet: see %s. */\n#include \"%s\"\n\n", j->header,
              j->header);
  anet__c_put(w, "#include <math.h>\n#include <stddef.h>\n#include <string.h>\n");
  put_weights(j->program, w);
  put_functions(w);
  put_runs(j->program, w);
  flush(w);
  return w->rc;
}

/* path with another suffix in place of ".c"; owned by the caller. */
static char *beside(const char *path, const char *suffix)
{
  const size_t stem = strlen(path) - 2, bytes = stem + strlen(suffix) + 1;
  char *text = anet__alloc(bytes);
  if (text) snprintf(text, bytes, "%.*s%s", (int)stem, path, suffix);
  return text;
}

static const char *file_name(const char *path)
{
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* The calls are said to nowhere first: that tells which functions have to stand before them, and
 * finds an op that cannot leave before there are files. */
static int write_files(const anet__c_program *p, const char *path, anet__c_writer *w)
{
  char *header = beside(path, ".h"), *blob = beside(path, ".bin");
  const job j = {p, w, header ? file_name(header) : NULL};
  int rc = header && blob ? anet__c_calls(p, w) : ANET_NOMEM;
  w->fill = 0;
  anet__contents weights = {p->weights, p->floats * sizeof(float)};
  const anet__save saves[] = {{header, fill_header, (void *)&j},
                              {path, fill_source, (void *)&j},
                              {blob, anet__put_bytes, &weights}};
  if (!rc) rc = anet__files_save(saves, p->desc->blob ? 3 : 2);
  anet__free(blob);
  anet__free(header);
  return rc;
}

/* ---- the whole
 * -----------------------------------------------------------------------------------------------
 */

/* The prefix: as said, else the file's name with what C does not take made '_'. */
static int make_names(anet__c_program *p, const char *path)
{
  enum { MOST = 200 };
  const char *said = p->desc->name, *stem = file_name(path);
  const size_t length = said ? strlen(said) : strlen(stem) - 2;
  if (length > MOST)
    return anet_fail(ANET_RANGE, "the name has %zu letters, want at most %d", length, MOST);
  char *name = p->name = anet__alloc(length + 5), *upper = p->upper = anet__alloc(length + 5);
  if (!name || !upper) return ANET_NOMEM;
  snprintf(name, length + 5, "%s%.*s", !said && isdigit((unsigned char)stem[0]) ? "net_" : "",
           (int)length, said ? said : stem);
  for (size_t i = 0; name[i]; i++) {
    const bool fits =
        isalpha((unsigned char)name[i]) || name[i] == '_' || (i && isdigit((unsigned char)name[i]));
    if (!fits && said) return anet_fail(ANET_RANGE, "'%s' is not a name in C", said);
    if (!fits) name[i] = '_';
    upper[i] = (char)toupper((unsigned char)name[i]);
  }
  return name[0] ? ANET_OK : anet_fail(ANET_RANGE, "'%s' is not a name in C", said ? said : path);
}

static int check_face(const anet_net *net, int32_t value, const anet_c_face *face)
{
  char text[ANET_SHAPE_TEXT];
  const anet__node *node = anet__net_at(net, value);
  size_t size = 1;
  uint32_t seen = 0;
  bool fits = face->name && face->dims >= 0 && face->dims <= ANET_C_AXES && face->atoms >= 0 &&
              face->atoms <= ANET_C_AXES;
  for (int32_t i = 0; fits && i < face->dims; i++) fits = face->dim[i] > 0;
  for (int32_t i = 0; fits && i < face->atoms; i++) {
    fits = face->atom[i] > 0 && face->order[i] >= 0 && face->order[i] < face->atoms &&
           anet__mul(size, (size_t)face->atom[i], &size);
    if (fits) seen |= 1U << face->order[i];
  }
  if (fits && seen == (1U << face->atoms) - 1 && size == anet__shape_size(&node->shape) &&
      face_size(face) == size)
    return ANET_OK;
  return anet_fail(ANET_SHAPE, "the axes of '%s' as they are outside do not fit %s", node->name,
                   anet__shape_text(&node->shape, text));
}

static int check(const anet_net *net, const char *path, const anet_c_desc *desc)
{
  const size_t length = strlen(path);
  if (length < 3 || strcmp(path + length - 2, ".c") != 0 || !file_name(path)[2])
    return anet_fail(ANET_RANGE, "'%s' does not end in '.c'", path);
  if (!net->outputs) return anet_fail(ANET_STATE, "the net has no output");
  for (int32_t i = 0; desc->input && i < net->inputs; i++)
    ANET_TRY(check_face(net, net->input[i], &desc->input[i]));
  for (int32_t i = 0; desc->output && i < net->outputs; i++)
    ANET_TRY(check_face(net, net->output[i], &desc->output[i]));
  return ANET_OK;
}

static int program_new(anet__c_program *p)
{
  const size_t values = (size_t)p->net->count;
  p->memory = anet__alloc_array(4 * values, sizeof *p->memory);
  if (!p->memory) return ANET_NOMEM;
  p->source = p->memory;
  p->readers = p->source + values;
  p->reader = p->readers + values;
  p->step_of = p->reader + values;
  ANET_TRY(anet__c_fuse(p));
  ANET_TRY(anet__c_weights(p));
  return anet__c_place_values(p);
}

static void program_free(anet__c_program *p)
{
  anet__free(p->weights);
  anet__free(p->part);
  anet__free(p->place);
  anet__free(p->step);
  anet__free(p->memory);
  anet__free(p->upper);
  anet__free(p->name);
}

int anet_net_export_c(const anet_net *net, const char *path, const anet_c_desc *desc)
{
  static const anet_c_desc usual = {0};
  anet__c_program p = {.net = net, .desc = desc ? desc : &usual};
  anet_net *rounded = NULL;
  int rc = check(net, path, p.desc);
  anet__c_writer *writer = rc ? NULL : anet__alloc(sizeof *writer);
  if (!rc && !writer) rc = ANET_NOMEM;
  if (!rc) rc = anet__quantized_round((anet_net *)net, &rounded); /* only retained */
  p.net = rounded;
  if (!rc) rc = make_names(&p, path);
  if (!rc) rc = program_new(&p);
  if (!rc) rc = write_files(&p, path, writer);
  anet__free(writer);
  program_free(&p);
  anet_net_release(rounded);
  return rc ? anet__fail_in(rc, "export to C") : ANET_OK;
}
