using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Millrace.Scheduling.Tests.Schedules;

/// <summary>Keeps the ids and texts of what is logged. Safe for concurrent use.</summary>
internal sealed class RecordingLogger : ILogger
{
    private readonly ConcurrentQueue<(int Id, string Text)> _entries = new();

    public IReadOnlyCollection<(int Id, string Text)> Entries => [.. _entries];

    public int Count(int id) => _entries.Count(entry => entry.Id == id);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _entries.Enqueue((eventId.Id, formatter(state, exception)));

    public bool IsEnabled(LogLevel logLevel) => true;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;
}
