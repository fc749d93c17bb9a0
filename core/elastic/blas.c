#include "elastic/blas.h"

#include <dlfcn.h>

#include "base/error.h"

/* Kept when it is closed: its threads are. */
static const char file[] = "libopenblas.so.0";
enum { HOW = RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE };

/* POSIX: what is a pointer to data here is one to a function. */
static bool find(void *library, const char *name, void *function)
{
  return (*(void **)function = dlsym(library, name)) != NULL;
}

static int absent(void)
{
  const char *why = dlerror();
  return anet_fail(ANET_ABSENT, "OpenBLAS cannot be loaded: %s; install libopenblas0",
                   why ? why : file);
}

int anet__blas_open(anet__blas *out)
{
  bool all = true;
  *out = (anet__blas){.library = dlopen(file, HOW)};
  if (!out->library) return absent();
#define X(name) all = all && find(out->library, #name, &out->name);
  ANET_BLAS_MAP(X)
#undef X
  if (!all) {
    const int rc = absent();
    dlclose(out->library);
    *out = (anet__blas){0};
    return rc;
  }
  out->threads = out->openblas_get_num_threads();
  out->openblas_set_num_threads(1);
  return ANET_OK;
}

void anet__blas_close(anet__blas *blas)
{
  if (!blas->library) return;
  blas->openblas_set_num_threads(blas->threads);
  dlclose(blas->library);
  *blas = (anet__blas){0};
}
