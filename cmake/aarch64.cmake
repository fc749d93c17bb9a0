# Cross-building for 64-bit ARM on Debian: gcc-aarch64-linux-gnu, the libraries' :arm64 packages beside the machine's
# own, and qemu-user to run what comes out (anet_install_aarch64 in packages.sh installs all of it).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64)
