using Microsoft.Extensions.Logging;

namespace Millrace.Server.Configuration;

/// <summary>Everything that the sections <c>SERVER</c> and <c>STOMP</c> set. Filled while configuration is read.</summary>
internal sealed class ServerSettings
{
    /// <summary>The node's, without its instances.</summary>
    public MillraceServerOptions Options { get; } = new() { RunsSchedulers = true };

    /// <summary>How STOMP is served, if it is.</summary>
    public StompServerOptions Stomp { get; } = new();

    public bool IsStompEnabled { get; set; } = true;

    /// <summary>The file of the schedules that the node defines when it starts; null for none.</summary>
    public string? SchedulesFile { get; set; }

    public bool IsJsonLog { get; set; }

    public LogLevel LogLevel { get; set; } = LogLevel.Information;
}
