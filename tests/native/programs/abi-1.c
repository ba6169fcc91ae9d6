/*
 * The first version of the ABI, written down once: every function's type, every number, every place in a struct. A program
 * that was built with it goes on working, so nothing here is ever changed; what is new gets a line of its own.
 */
#include <stddef.h>

#include "gate.h"

#define SAME(a, b) typedef char same_##a[(a) == (b) ? 1 : -1]
#define AT(type, field, offset) typedef char at_##type##_##field[offsetof(type, field) == (offset) ? 1 : -1]
#define BYTES(type, bytes) typedef char bytes_##type[sizeof(type) == (bytes) ? 1 : -1]

SAME(PSN_ABI_VERSION, 1);
SAME(PSN_MAX_RANK, 32);
SAME(PSN_ERROR_BYTES, 512);

SAME(PSN_OK, 0);
SAME(PSN_INVALID_ARGUMENT, 1);
SAME(PSN_WRONG_DTYPE, 2);
SAME(PSN_WRONG_SHAPE, 3);
SAME(PSN_WRONG_VALUE, 4);
SAME(PSN_TOO_SMALL, 5);
SAME(PSN_IO, 6);
SAME(PSN_MALFORMED, 7);
SAME(PSN_FOREIGN_BUNDLE, 8);
SAME(PSN_DIGEST_MISMATCH, 9);
SAME(PSN_OUT_OF_MEMORY, 10);
SAME(PSN_UNSUPPORTED, 11);
SAME(PSN_BUSY, 12);
SAME(PSN_INDEX_OUT_OF_RANGE, 13);
SAME(PSN_CONSTRAINT, 14);
SAME(PSN_BOUND, 15);

SAME(PSN_F32, 1);
SAME(PSN_F64, 2);
SAME(PSN_F16, 3);
SAME(PSN_BF16, 4);
SAME(PSN_I8, 5);
SAME(PSN_I16, 6);
SAME(PSN_I32, 7);
SAME(PSN_I64, 8);
SAME(PSN_U8, 9);
SAME(PSN_U16, 10);
SAME(PSN_U32, 11);
SAME(PSN_U64, 12);
SAME(PSN_BOOL, 13);
SAME(PSN_STR, 14);
SAME(PSN_F8E4M3FN, 15);
SAME(PSN_F8E4M3FNUZ, 16);
SAME(PSN_F8E5M2, 17);
SAME(PSN_F8E5M2FNUZ, 18);
SAME(PSN_F8E8M0, 19);
SAME(PSN_F4E2M1, 20);
SAME(PSN_I4, 21);
SAME(PSN_I2, 22);
SAME(PSN_U4, 23);
SAME(PSN_U2, 24);

BYTES(psn_status, 4);
AT(psn_options, size, 0);
AT(psn_options, arena, 8);
AT(psn_options, arena_bytes, 16);
AT(psn_options, threads, 24);
AT(psn_options, trust, 28);
AT(psn_port, name, 0);
AT(psn_port, shape, 8);
AT(psn_port, bytes, 16);
AT(psn_port, dtype, 24);
AT(psn_port, rank, 28);
AT(psn_port, dims, 32);
BYTES(psn_port, 288);
AT(psn_range, name, 0);
AT(psn_range, lo, 8);
AT(psn_range, hi, 16);
BYTES(psn_range, 24);
AT(psn_tensor, data, 0);
AT(psn_tensor, bytes, 8);
AT(psn_tensor, capacity, 16);
AT(psn_tensor, dtype, 24);
AT(psn_tensor, rank, 28);
AT(psn_tensor, dims, 32);
BYTES(psn_tensor, 288);

uint32_t (*abi_version)(void) = psn_abi_version;
const char *(*digest)(void) = psn_digest;
const char *(*status_text)(psn_status) = psn_status_text;
const char *(*dtype_name)(uint32_t) = psn_dtype_name;
size_t (*dtype_bytes)(uint32_t) = psn_dtype_bytes;
size_t (*counts[])(void) = {psn_input_count, psn_output_count, psn_state_count, psn_symbol_count, psn_string_count};
psn_status (*ports[])(size_t, psn_port *) = {psn_input, psn_output, psn_state};
psn_status (*symbol)(size_t, psn_range *) = psn_symbol;
const char *(*string)(size_t) = psn_string;
uint64_t (*arena_bytes)(void) = psn_arena_bytes;
psn_status (*load)(const char *, const psn_options *, psn_model **, char *, size_t) = psn_load;
psn_status (*load_memory)(const void *, size_t, const psn_options *, psn_model **, char *, size_t) = psn_load_memory;
psn_status (*runs[])(psn_model *, const psn_tensor *, size_t, psn_tensor *, size_t) = {psn_run, psn_output_shapes};
void *(*places[])(psn_model *, size_t) = {psn_input_data, psn_state_data};
psn_status (*reset)(psn_model *) = psn_reset;
const char *(*error)(const psn_model *) = psn_error;
void (*done)(psn_model *) = psn_free;

int main(void) {
  return abi_version() == PSN_ABI_VERSION ? 0 : 1;
}
