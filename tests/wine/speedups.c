/* The compiled module of a package: an empty one, loaded as any other. */
#include <stddef.h>

__declspec(dllimport) void *PyModule_Create2(void *definition, int api_version);

/* PyModuleDef (moduleobject.h) */
static struct {
    size_t references;
    void *type, *init;
    size_t index;
    void *copy;
    const char *name, *documentation;
    ptrdiff_t size;
    void *methods, *slots, *traverse, *clear, *free;
} definition = {.references = 1, .name = "_speedups", .size = -1};

__declspec(dllexport) void *PyInit__speedups(void) {
    return PyModule_Create2(&definition, 1013); /* PYTHON_API_VERSION */
}
