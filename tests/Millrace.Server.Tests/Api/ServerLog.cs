using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Millrace.Server.Security;
using Xunit;

namespace Millrace.Server.Tests.Api;

/// <summary>The faults that a server logs, kept for the test. What it audits is about its clients.</summary>
internal sealed class ServerLog : ILoggerFactory
{
    private readonly ConcurrentQueue<string> _faults = [];

    /// <summary>Requires that no request has met a fault of the server.</summary>
    public void RequireNoFault() => Assert.True(_faults.IsEmpty, ToString());

    public override string ToString() => string.Join(Environment.NewLine, _faults);

    public ILogger CreateLogger(string categoryName) => new Category(this, categoryName);

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public void Dispose()
    {
    }

    private sealed class Category(ServerLog log, string name) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning && name != AuditLog.Category;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                log._faults.Enqueue($"{logLevel} {name} {eventId.Id}: {formatter(state, exception)} {exception}");
            }
        }
    }
}
