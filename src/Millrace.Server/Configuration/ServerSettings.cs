using Microsoft.Extensions.Logging;

namespace Millrace.Server.Configuration;

/// <summary>Everything that the section <c>SERVER</c> sets. Filled while configuration is read.</summary>
internal sealed class ServerSettings
{
    /// <summary>The node's, without its instances.</summary>
    public MillraceServerOptions Options { get; } = new();

    public bool IsJsonLog { get; set; }

    public LogLevel LogLevel { get; set; } = LogLevel.Information;
}
