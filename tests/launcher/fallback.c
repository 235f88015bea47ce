/* Stands where the Python shim stands: the recorder of tests/shim that says of itself who it is. */
#define main recorder_main
#include "../shim/recorder.c"
#undef main

int main(int argc, char **argv) {
    setenv("RECORDED_BY", "fallback", 1);
    return recorder_main(argc, argv);
}
