// The binding of tfjs-node, which would register itself as the module: here the loader is the module, and starts the
// binding when a library has been opened.
#include <node_api.h>

#undef NAPI_MODULE
#define NAPI_MODULE(name, initialize) \
  napi_value StartBinding(napi_env env, napi_value exports) { return initialize(env, exports); }

#include "tfjs_binding.cc"
