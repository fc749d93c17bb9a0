-- `anet export --format c`: what leaves compiles, and says of an array what `anet run` says of it, in the layout that
-- the model came with.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local ffi = require 'ffi'

local command = dofile 'tests/support/command.lua'
local folder, path, run, run_json, random = command.folder, command.path, command.run, command.run_json, command.random

local function write(name, text)
  local file = assert(io.open(path(name), 'wb'))
  file:write(text)
  file:close()
end

-- Compiles net.c of prefix NAME with a program around it that reads images from `in`, and weights where they are a blob.
local PROGRAM = [[
#include "net.h"
#include <stdio.h>
static float in[NAME_IN0_SIZE], out[NAME_OUT0_SIZE], weights[NAME_WEIGHTS];
int main(void)
{
  FILE *from = fopen("net.bin", "rb"), *to;
  if (from && fread(weights, sizeof(float), NAME_WEIGHTS, from) != NAME_WEIGHTS) return 1;
  from = fopen("in", "rb"), to = fopen("out", "wb");
  while (fread(in, sizeof(float), NAME_IN0_SIZE, from) == NAME_IN0_SIZE) {
    if (name_run(ARGUMENTS)) return 1;
    fwrite(out, sizeof(float), NAME_OUT0_SIZE, to);
  }
  return fclose(to) + 0 * (int)weights[0];
}
]]

-- The first output of net.c for n images, as floats.
local function run_c(name, images, blob, count)
  local words = {NAME = name:upper(), name = name, ARGUMENTS = (blob and 'weights, ' or '') .. 'in, out'}
  write('main.c', (PROGRAM:gsub('ARGUMENTS', words.ARGUMENTS):gsub('NAME', words.NAME):gsub('name_run', name .. '_run')))
  write('in', ffi.string(images:data(), tonumber(images:count()) * 4))
  test.equal(os.execute(('cd %s && cc -std=c99 -Wall -Wextra -Werror -pedantic -O1 -o main main.c net.c -lm && ./main')
    :format(folder)), 0)
  local file = assert(io.open(path 'out', 'rb'))
  local bytes = file:read '*a'
  file:close()
  test.equal(#bytes, 4 * count)
  local t = anet.tensor{count}
  ffi.copy(t:data(), bytes, #bytes)
  return t
end

-- Largest difference over the largest output.
local function distance(got, want)
  local worst, most = 0, 0
  for i = 0, tonumber(want:count()) - 1 do
    worst = math.max(worst, math.abs(got:data()[i] - want:data()[i]))
    most = math.max(most, math.abs(want:data()[i]))
  end
  return worst / most
end

-- What `anet run` says of the images.
local function run_array(model, images)
  images:save(path 'images.npy')
  run_json(('run %s %s -o %s'):format(model, path 'images.npy', path 'answer.npy'))
  return anet.tensor.load(path 'answer.npy')
end

-- A subnet with blocks in bytes, or with none.
local function sample(space, seed, bytes)
  local random = anet.rng(seed)
  while true do
    local genome, found = space:sample(random), false
    for _, option in ipairs(space:chosen(genome)) do found = found or option.kind == 'int8' end
    if found == bytes then return genome end
  end
end

test.case('the oracle, and a subnet with its weights beside it', function()
  local images = random({3, 28, 28, 1}, 1)
  local result = run_json('export data/resnet20.anet --out ' .. path 'net.c')
  test.equal(result.format, 'c')
  test.check(distance(run_c('net', images, false, 30), run_array('data/resnet20.anet', images)) < 1e-5, 'oracle')
  local space = assert(anet.bundle.open 'data/resnet20-supernet.anet'):supernet():space()
  local genome = sample(space, 4, false)
  run_json(('export data/resnet20-supernet.anet --genome %s --format c --weights blob --name sub --out %s')
    :format(genome, path 'net.c'))
  run_json(('export data/resnet20-supernet.anet --genome %s --out %s'):format(genome, path 'sub.anet'))
  test.check(distance(run_c('sub', images, true, 30), run_array(path 'sub.anet', images)) < 1e-5, 'genome ' .. genome)
  -- In floats a sum may round to the next of 256 levels.
  genome = sample(space, 4, true)
  run_json(('export data/resnet20-supernet.anet --genome %s --format c --weights blob --name sub --out %s')
    :format(genome, path 'net.c'))
  run_json(('export data/resnet20-supernet.anet --genome %s --out %s'):format(genome, path 'sub.anet'))
  test.check(distance(run_c('sub', images, true, 30), run_array(path 'sub.anet', images)) < 0.01, 'genome ' .. genome)
  os.remove(path 'net.bin')
end)

test.case('arrays lie as in the ONNX file', function()
  local n, x = anet.net{input = {8, 6, 3}, name = 'image'}
  x = n:relu(n:norm(n:conv(x, {channels = 8, kernel = 3, pad = 1})))
  n:output(n:conv(x, {channels = 4, kernel = 1, name = 'map'})):init(3)
  assert(n:export(path 'small.onnx'))
  run_json('import ' .. path 'small.onnx' .. ' --out ' .. path 'small.anet')
  run_json('export ' .. path 'small.anet' .. ' --out ' .. path 'net.c')
  local images = random({2, 3, 8, 6}, 2)
  local want = run_array(path 'small.anet', images)
  test.same(want:shape(), {2, 4, 8, 6})
  test.check(distance(run_c('net', images, false, 2 * 4 * 8 * 6), want) < 1e-5, 'map')
end)

test.case('flags and names that do not fit', function()
  local output, status = run('export data/resnet20.anet --weights blob --out ' .. path 'x.onnx')
  test.equal(status, 1)
  test.mentions(output, "--weights: the format is 'onnx', want 'c'")
  output, status = run('export data/resnet20.anet --name 9 --out ' .. path 'x.c')
  test.equal(status, 1)
  test.mentions(output, "'9' is not a name in C")
  output, status = run('export data/resnet20.anet --format c --out ' .. path 'x.txt')
  test.equal(status, 1)
  test.mentions(output, "does not end in '.c'")
end)

os.execute('rm -rf ' .. folder)
return test.finish()
