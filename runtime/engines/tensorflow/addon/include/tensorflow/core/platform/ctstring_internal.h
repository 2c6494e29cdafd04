// TensorFlow's string, which TensorFlow itself has as inline code in a header and exports nowhere.
//
// 24 bytes. The two lowest bits of the first byte say what it is: 0 short text in place, 1 longer text on the heap,
// 2 text at an offset from the string itself, 3 text that somebody else owns. The bits above are the length.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct TF_TString {
  union {
    struct {
      uint8_t size;
      char text[23];
    } small;
    struct {
      size_t size;
      size_t capacity;
      char* text;
    } large;
    struct {
      uint32_t size;
      uint32_t offset;
      uint32_t count;
    } offset;
    struct {
      size_t size;
      const char* text;
    } view;
  } as;
};

static_assert(sizeof(TF_TString) == 24, "A tensor of strings is a row of 24-byte strings.");

// Without the zero at its end.
static const size_t TF_TString_SmallCapacity = 22;

static inline int TF_TString_Kind(const TF_TString* string) { return string->as.small.size & 3; }

static inline void TF_TString_Init(TF_TString* string) { memset(string, 0, sizeof(*string)); }

static inline size_t TF_TString_GetSize(const TF_TString* string) {
  switch (TF_TString_Kind(string)) {
    case 0:
      return string->as.small.size >> 2;
    case 2:
      return string->as.offset.size >> 2;
    default:
      return string->as.large.size >> 2;
  }
}

static inline const char* TF_TString_GetDataPointer(const TF_TString* string) {
  switch (TF_TString_Kind(string)) {
    case 0:
      return string->as.small.text;
    case 1:
      return string->as.large.text;
    case 2:
      return reinterpret_cast<const char*>(string) + string->as.offset.offset;
    default:
      return string->as.view.text;
  }
}

static inline void TF_TString_Dealloc(TF_TString* string) {
  if (TF_TString_Kind(string) == 1) free(string->as.large.text);
  TF_TString_Init(string);
}

// TensorFlow frees what is on the heap, so it must come from the same `malloc`: the C library's, on both sides.
static inline void TF_TString_Copy(TF_TString* string, const char* text, size_t size) {
  TF_TString_Dealloc(string);
  if (size <= TF_TString_SmallCapacity) {
    string->as.small.size = static_cast<uint8_t>(size << 2);
    memcpy(string->as.small.text, text, size);
    string->as.small.text[size] = 0;
    return;
  }
  const size_t allocated = (size + 16) & ~static_cast<size_t>(15);
  char* copy = static_cast<char*>(malloc(allocated));
  if (copy == nullptr) abort();
  memcpy(copy, text, size);
  copy[size] = 0;
  string->as.large.size = (size << 2) | 1;
  string->as.large.capacity = allocated - 1;
  string->as.large.text = copy;
}
