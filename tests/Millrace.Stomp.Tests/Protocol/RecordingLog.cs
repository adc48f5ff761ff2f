using Microsoft.Extensions.Logging;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>Keeps what is logged. Safe for concurrent use.</summary>
internal sealed class RecordingLog : ILoggerFactory, ILogger
{
    private readonly Lock _gate = new();
    private readonly List<(int Id, LogLevel Level, string Text)> _entries = [];

    /// <summary>What was logged so far; the text ends with the exception, if there was one.</summary>
    public IReadOnlyList<(int Id, LogLevel Level, string Text)> Entries
    {
        get
        {
            lock (_gate)
            {
                return [.. _entries];
            }
        }
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("This is the only log.");

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (_gate)
        {
            _entries.Add((eventId.Id, logLevel, $"{formatter(state, exception)} {exception}"));
        }
    }

    public void Dispose()
    {
    }
}
