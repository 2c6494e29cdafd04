// What tfjs-node needs of the TensorFlow C API, declared by hand. Structures are opaque but for those whose content the
// caller sees; the numbers of the enumerations are part of the binary interface and do not change.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern "C" {

typedef enum TF_DataType {
  TF_FLOAT = 1,
  TF_DOUBLE = 2,
  TF_INT32 = 3,
  TF_UINT8 = 4,
  TF_INT16 = 5,
  TF_INT8 = 6,
  TF_STRING = 7,
  TF_COMPLEX64 = 8,
  TF_INT64 = 9,
  TF_BOOL = 10,
  TF_RESOURCE = 20,
} TF_DataType;

typedef enum TF_Code { TF_OK = 0 } TF_Code;

typedef enum TF_AttrType {
  TF_ATTR_STRING = 0,
  TF_ATTR_INT = 1,
  TF_ATTR_FLOAT = 2,
  TF_ATTR_BOOL = 3,
  TF_ATTR_TYPE = 4,
  TF_ATTR_SHAPE = 5,
} TF_AttrType;

struct TF_DeviceList;
struct TF_Graph;
struct TF_Operation;
struct TF_Session;
struct TF_SessionOptions;
struct TF_Status;
struct TF_Tensor;
struct TFE_Context;
struct TFE_ContextOptions;
struct TFE_Op;
struct TFE_TensorHandle;

struct TF_Buffer {
  const void* data;
  size_t length;
  void (*data_deallocator)(void* data, size_t length);
};

struct TF_Output {
  TF_Operation* oper;
  int index;
};

typedef void (*TF_Deallocator)(void* data, size_t length, void* argument);

#define FUNCTION(result, name, parameters, arguments) result name parameters;
#include "functions.inc"
#undef FUNCTION

}  // extern "C"
