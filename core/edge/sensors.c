#include "edge/sensors.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int64_t MAX_AGE_NS = 100000000;

/* ---- files -------------------------------------------------------------------------------- */

enum { PATH = 1024 };

static int open_file(const char *root, const char *path)
{
  char whole[PATH];
  snprintf(whole, sizeof whole, "%s%s", root, path);
  return open(whole, O_RDONLY | O_CLOEXEC);
}

/* The first battery that tells its charge. */
static int open_battery(const char *root)
{
  static const char supplies[] = "/sys/class/power_supply";
  char path[PATH];
  int file = -1;
  snprintf(path, sizeof path, "%s%s", root, supplies);
  DIR *folder = opendir(path);
  if (!folder) return -1;
  for (struct dirent *entry; file < 0 && (entry = readdir(folder));) {
    snprintf(path, sizeof path, "%s/%s/capacity", supplies, entry->d_name);
    file = open_file(root, path);
  }
  closedir(folder);
  return file;
}

static void open_zones(anet__sensors *s, const char *root)
{
  for (int32_t i = 0; i < ANET_MAX_ZONES; i++) {
    char path[64];
    snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/temp", i);
    s->zone[i] = open_file(root, path);
  }
}

/* The beginning of a file as text; false if there is none. */
static bool read_text(int file, char *text, size_t size)
{
  if (file < 0) return false;
  const ssize_t bytes = pread(file, text, size - 1, 0);
  if (bytes <= 0) return false;
  text[bytes] = '\0';
  return true;
}

/* ---- processors --------------------------------------------------------------------------- */

/* "cpu user nice system idle iowait irq softirq steal …" in ticks. */
static bool read_ticks(int file, double *busy, double *total)
{
  enum { IDLE = 3, WAIT = 4, COLUMNS = 8 };
  char text[512], *at = text;
  if (!read_text(file, text, sizeof text) || strncmp(text, "cpu ", 4) != 0) return false;
  *busy = *total = 0;
  at += 4;
  for (int32_t i = 0; i < COLUMNS; i++) {
    const double ticks = (double)strtoull(at, &at, 10);
    *total += ticks;
    if (i != IDLE && i != WAIT) *busy += ticks;
  }
  return true;
}

/* "pid (name) state …": user and system time are the 12th and 13th field after the name. */
static bool read_own(int file, double *used)
{
  char text[1024];
  if (!read_text(file, text, sizeof text)) return false;
  char *at = strrchr(text, ')');
  if (!at) return false;
  for (int32_t field = 0; field < 12; field++) {
    at = strchr(at + 1, ' ');
    if (!at) return false;
  }
  *used = (double)strtoull(at, &at, 10);
  *used += (double)strtoull(at, &at, 10);
  return true;
}

static void read_load(anet__sensors *s)
{
  double busy, total, used;
  if (!read_ticks(s->stat, &busy, &total) || !read_own(s->own, &used)) return;
  const double passed = total - s->total;
  if (s->total > 0 && passed > 0) {
    const double share = (busy - s->busy - (used - s->used)) / passed;
    s->load = ANET_MIN(ANET_MAX(share, 0), 1);
  }
  s->busy = busy;
  s->total = total;
  s->used = used;
}

/* ---- the rest ----------------------------------------------------------------------------- */

static void read_memory(anet__sensors *s)
{
  char text[512];
  if (!read_text(s->memory, text, sizeof text)) return;
  const char *line = strstr(text, "MemAvailable:");
  if (line) s->free_bytes = 1024 * strtod(line + strlen("MemAvailable:"), NULL);
}

/* The hottest zone that tells something credible. */
static void read_temperature(anet__sensors *s)
{
  const double most = 200;
  char text[32];
  s->temperature = -1;
  for (int32_t i = 0; i < ANET_MAX_ZONES; i++) {
    if (!read_text(s->zone[i], text, sizeof text)) continue;
    const double degrees = strtod(text, NULL) / 1000;
    if (degrees > s->temperature && degrees < most) s->temperature = degrees;
  }
}

static void read_battery(anet__sensors *s)
{
  char text[32];
  if (read_text(s->battery_file, text, sizeof text)) s->battery = strtod(text, NULL) / 100;
}

/* ---- life --------------------------------------------------------------------------------- */

static void read_all(anet__sensors *s, int64_t now_ns)
{
  s->read_ns = now_ns;
  read_load(s);
  read_memory(s);
  read_temperature(s);
  read_battery(s);
}

void anet__sensors_new(const char *root, int64_t now_ns, anet__sensors *out)
{
  *out = (anet__sensors){.load = -1, .free_bytes = -1, .temperature = -1, .battery = -1};
  out->stat = open_file(root, "/proc/stat");
  out->own = open_file(root, "/proc/self/stat");
  out->memory = open_file(root, "/proc/meminfo");
  out->battery_file = open_battery(root);
  open_zones(out, root);
  read_all(out, now_ns); /* load is a difference: this is its start */
}

static void close_file(int file)
{
  if (file >= 0) close(file);
}

void anet__sensors_free(anet__sensors *sensors)
{
  close_file(sensors->stat);
  close_file(sensors->own);
  close_file(sensors->memory);
  close_file(sensors->battery_file);
  for (int32_t i = 0; i < ANET_MAX_ZONES; i++) close_file(sensors->zone[i]);
}

void anet__sensors_read(anet__sensors *sensors, int64_t now_ns)
{
  if (now_ns - sensors->read_ns >= MAX_AGE_NS) read_all(sensors, now_ns);
}
