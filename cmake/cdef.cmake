# The preprocessed public header as a Lua module: cmake -DIN=anet.i -DOUT=cdef.lua -P cdef.cmake
file(READ "${IN}" text)
file(WRITE "${OUT}" "return [==[\n${text}]==]\n")
