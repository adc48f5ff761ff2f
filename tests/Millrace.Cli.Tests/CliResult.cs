using System.Text.Json;
using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests;

/// <summary>What a command left behind.</summary>
internal sealed record CliResult(int Code, string Output, string Error)
{
    /// <summary>The output's lines.</summary>
    public string[] Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The output's lines as JSON objects.</summary>
    public JsonElement[] Objects => Array.ConvertAll(Lines, line => JsonElement.Parse(line));

    /// <summary>This result, which must be a success.</summary>
    public CliResult Succeeded()
    {
        Assert.True(Code == ExitCodes.Done, $"exit code {Code}: {Error}");
        return this;
    }

    /// <summary>This result, which must be a failure of one sentence on the error stream and nothing else.</summary>
    public CliResult Failed(int code, string message)
    {
        Assert.Equal((code, ""), (Code, Output));
        Assert.Contains(message, Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", Error, StringComparison.Ordinal);
        Assert.Single(Error.TrimEnd('\n').Split('\n'));
        return this;
    }
}
