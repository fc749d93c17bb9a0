/* Doors: where bytes of strangers come in. Each tests/fuzz/door_NAME.c is one, fuzz.c says what
 * must hold for all of them, whatever the bytes: nothing leaks, memory stays in proportion, and (by
 * the sanitizers) no access goes astray. libFuzzer calls fuzz.c in programs called fuzz_NAME,
 * replay.c in those called replay_NAME. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* What a door defines. door_ratio: bytes of the engine's memory that a byte of input may cost,
 * beside the 64 MiB that are free for all; each door says why. */
extern const char door_name[];
extern const double door_ratio;
void door_open(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Path of a file in memory that holds these bytes: one for the program, written over by the next
 * call. */
const char *fuzz_file(const uint8_t *data, size_t bytes);

/* Ends the program as a failed assertion does, so that both kinds of programs notice. */
_Noreturn void fuzz_stop(const char *what);

/* Does with a net what its owner would: costs, blocks, a plan, and a run where that is cheap. */
struct anet_net;
void fuzz_visit(struct anet_net *net);

/* Reads all that a bundle may hold, and does with its nets the same. */
struct anet_bundle;
void fuzz_visit_bundle(struct anet_bundle *bundle);

#endif
