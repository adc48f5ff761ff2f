using Millrace.Server.Configuration;
using Xunit;

namespace Millrace.Server.Tests.Configuration;

public sealed class OperatingGuideTests
{
    [Fact]
    public void TheGuide_HasEveryKey_WithItsDefault()
    {
        var guide = File.ReadAllText(FindGuide());
        var settings = new ServerSettings();

        foreach (var key in ServerKey.All)
        {
            var value = key.Show(settings);
            Assert.Contains($"| `{key.Variable}` | {(key.Name == ServerKey.Urls.Name ? $"`{value}`" : value)}{(value.Length > 0 ? " " : "")}|", guide, StringComparison.Ordinal);
        }
    }

    private static string FindGuide()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Millrace.slnx")))
        {
            folder = folder.Parent!;
        }

        return Path.Combine(folder.FullName, "docs/guide/operating.md");
    }
}
