using System.Globalization;
using Millrace.Storage;
using Millrace.Storage.FileLog;
using Xunit;
using static Millrace.Tests.Storage.FileLog.LogBench;
using Log = Millrace.Storage.FileLog.FileLog;

namespace Millrace.Tests.Storage.FileLog;

/// <summary>
/// Random histories on a disk that fails or loses its power at any operation. Whatever happens: what was flushed is there, nothing is there that was not appended, in order and without a gap.
/// </summary>
public sealed class FileLogCrashTests
{
    [Fact]
    public async Task WhateverTheDiskDoes_WhatWasFlushedIsThere()
    {
        var replayed = Environment.GetEnvironmentVariable("MILLRACE_SEED");
        var seeds = replayed is not null
            ? [int.Parse(replayed, CultureInfo.InvariantCulture)]
            : Enumerable.Range(0, TestScale.IsFull ? 10_000 : 300).Select(_ => Random.Shared.Next()).ToArray();
        foreach (var seed in seeds)
        {
            try
            {
                using var history = new History(seed);
                await history.RunAsync();
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                Assert.Fail($"The history with MILLRACE_SEED={seed} went wrong: {fault}");
            }
        }
    }

    private sealed class History : IDisposable
    {
        private readonly Random _random;
        private readonly SimulatedFileSystem _files;
        private readonly FlushThreads _threads = new(0);
        private readonly List<string> _appended = [];
        private readonly StoreDurability _durability;
        private int _first;
        private int _kept;
        private int _next;
        private int _operations = int.MaxValue;
        private bool _losesPower;

        public History(int seed)
        {
            _random = new Random(seed);
            _files = new SimulatedFileSystem(_random) { WritesShort = _random.Next(4) == 0 };
            _durability = _random.Next(4) == 0 ? StoreDurability.Process : StoreDurability.Full;
            _files.Before = (_, _) =>
            {
                if (--_operations < 0)
                {
                    _operations = _losesPower ? -1 : int.MaxValue;
                    throw new IOException("Injected.");
                }
            };
        }

        public async Task RunAsync()
        {
            for (var round = 0; round < 6; round++)
            {
                var log = Open(_files, Small(_durability, _threads) with { SegmentBytes = 1024 << _random.Next(3) });
                Check(log);
                _losesPower = _random.Next(3) > 0;
                _operations = _random.Next(60);
                await UseAsync(log);
                await EndAsync(log);
            }

            await using var last = Open(_files, Small(threads: _threads));
            Check(last);
            await CloseAsync(last);
        }

        public void Dispose() => _threads.Dispose();

        private async Task UseAsync(Log log)
        {
            try
            {
                for (var step = 0; step < 40; step++)
                {
                    switch (_random.Next(8))
                    {
                        case 0:
                            await FlushAsync(log);
                            break;
                        case 1:
                            log.WriteThrough(log.EndPosition);
                            break;
                        case 2 when log.Segments.Count > 2:
                            Trim(log);
                            break;
                        case 3:
                            _threads.RunQueued();
                            break;
                        default:
                            var payload = Numbered(_next) + (_random.Next(20) == 0 ? new string('l', 2000) : "");
                            Append(log, payload);
                            _appended.Add(payload);
                            _next++;
                            break;
                    }
                }
            }
            catch (Exception fault) when (fault is BackendUnavailableException or IOException)
            {
                // The rest of the round is its end.
                return;
            }
        }

        private async Task FlushAsync(Log log)
        {
            var count = _appended.Count;
            var flushed = log.FlushAsync(log.EndPosition).AsTask();
            _threads.RunQueued();
            await flushed;
            _kept = Math.Max(_kept, count);
        }

        private void Trim(Log log)
        {
            var position = log.Segments[1].StartPosition;
            using (var scan = log.Scan(position))
            {
                _first = scan.MoveNext() ? _appended.IndexOf(System.Text.Encoding.UTF8.GetString(scan.Payload)) : _first;
            }

            log.TrimBefore(position);
        }

        private async Task EndAsync(Log log)
        {
            if (_losesPower)
            {
                log.Abandon();
                _operations = int.MaxValue;
                _threads.RunQueued();
                if (_durability == StoreDurability.Process)
                {
                    // What survives a power cut was not promised.
                    _kept = 0;
                }

                _files.Crash();
                return;
            }

            await CloseAsync(log);
            _operations = int.MaxValue;
        }

        private async Task CloseAsync(Log log)
        {
            var closing = log.DisposeAsync().AsTask();
            _threads.RunQueued();
            await closing;
        }

        private void Check(Log log)
        {
            var found = ReadAll(log);
            if (found.Count == 0)
            {
                Assert.True(_kept <= _first || _appended.Count == 0 || _kept == 0, $"{_kept} frames were flushed, none is there.");
                _appended.Clear();
                (_first, _kept) = (0, 0);
                return;
            }

            var first = _appended.IndexOf(found[0]);
            Assert.InRange(first, 0, _first);
            Assert.Equal(_appended.Skip(first).Take(found.Count), found);
            Assert.True(first + found.Count >= _kept, $"{_kept} frames were flushed, {first + found.Count} are there.");
            _appended.RemoveRange(first + found.Count, _appended.Count - first - found.Count);
            _kept = Math.Min(_kept, _appended.Count);
        }
    }
}
