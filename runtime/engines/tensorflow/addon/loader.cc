// Opens a TensorFlow library at run time, so that the addon needs none to be built and fits every version.
//
// The module exports one function, `open(path)`, which answers the binding of tfjs-node over that library. Everything
// is looked up at once: a library that lacks a function is refused here and not in the middle of a training.
#include <dlfcn.h>
#include <node_api.h>

#include <string>

#include "tensorflow/c/c_api.h"

namespace tfnodejs {
napi_value StartBinding(napi_env env, napi_value exports);
}

namespace {

// One a process: TensorFlow keeps global state, and two of them share no tensors.
void* library = nullptr;

#define FUNCTION(result, name, parameters, arguments) result(*name##_found) parameters = nullptr;
#include "functions.inc"
#undef FUNCTION

napi_value Refuse(napi_env env, const std::string& why) {
  napi_throw_error(env, "ERR_TENSORFLOW_LIBRARY", why.c_str());
  return nullptr;
}

// The names of all functions that the library lacks.
std::string LookUp() {
  std::string missing;
#define FUNCTION(result, name, parameters, arguments)                            \
  name##_found = reinterpret_cast<result(*) parameters>(dlsym(library, #name)); \
  if (name##_found == nullptr) missing += missing.empty() ? #name : ", " #name;
#include "functions.inc"
#undef FUNCTION
  return missing;
}

napi_value Open(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  size_t length = 0;
  if (napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr) != napi_ok || count != 1 ||
      napi_get_value_string_utf8(env, argument, nullptr, 0, &length) != napi_ok) {
    return Refuse(env, "open takes the path of a library");
  }
  std::string path(length, '\0');
  // The zero at its end goes where the string keeps its own.
  napi_get_value_string_utf8(env, argument, &path[0], length + 1, &length);
  if (library != nullptr) return Refuse(env, "a TensorFlow library is open in this process already");

  // Its symbols are nobody else's, and nobody else's are taken for its own: Node brings some of the same names
  // (absl, zlib, protobuf) in other versions.
  int flags = RTLD_NOW | RTLD_LOCAL;
#ifdef RTLD_DEEPBIND
  flags |= RTLD_DEEPBIND;
#endif
  library = dlopen(path.c_str(), flags);
  if (library == nullptr) return Refuse(env, dlerror());
  const std::string missing = LookUp();
  if (!missing.empty()) {
    dlclose(library);
    library = nullptr;
    return Refuse(env, path + " lacks " + missing);
  }
  napi_value exports;
  if (napi_create_object(env, &exports) != napi_ok) return Refuse(env, "no object could be made");
  return tfnodejs::StartBinding(env, exports);
}

}  // namespace

// What tfjs-node links against.
extern "C" {
#define FUNCTION(result, name, parameters, arguments) \
  result name parameters { return name##_found arguments; }
#include "functions.inc"
#undef FUNCTION
}

NAPI_MODULE_INIT() {
  napi_value open;
  if (napi_create_function(env, "open", NAPI_AUTO_LENGTH, Open, nullptr, &open) != napi_ok ||
      napi_set_named_property(env, exports, "open", open) != napi_ok) {
    return nullptr;
  }
  return exports;
}
