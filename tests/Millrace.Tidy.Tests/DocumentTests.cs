using System.Text.RegularExpressions;
using Xunit;

namespace Millrace.Tidy.Tests;

/// <summary>What the pages say stays true.</summary>
public sealed partial class DocumentTests
{
    private static IEnumerable<string> Pages =>
        Directory.EnumerateFiles(Repository.Root, "*.md")
            .Concat(Directory.EnumerateFiles(Path.Combine(Repository.Root, "docs"), "*.md", SearchOption.AllDirectories))
            .Concat(Repository.FindFiles("*.md").Select(path => Path.Combine(Repository.Root, path)));

    [Fact]
    public void TheReadmesCode_IsTheSampleThatTheTestsRun()
    {
        var readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        var sample = File.ReadAllText(Path.Combine(Repository.Root, "samples/QuickStart/Program.cs"));

        var code = CSharpBlock().Match(readme).Groups["code"].Value;
        Assert.Equal(sample.Trim(), code.Trim());
        Assert.True(code.Split('\n').Length <= 20, "The first screen shows about 15 lines of code.");
    }

    [Fact]
    public void TheCodeOfTheCustomBackend_IsTheSamples()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs/guide/custom-backend.md"));
        var sample = Repository.Sources.Where(file => file.Path.StartsWith("samples/CustomBackend/", StringComparison.Ordinal)).Select(file => string.Join('\n', file.Lines).Trim()).ToList();
        var shown = CSharpBlock().Matches(page).Select(match => match.Groups["code"].Value.Trim()).ToList();

        Assert.Equal(sample.Order(StringComparer.Ordinal), shown.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void EveryLink_LeadsSomewhere()
    {
        var broken =
            from page in Pages
            from Match link in Link().Matches(File.ReadAllText(page))
            let target = link.Groups["target"].Value.Split('#')[0]
            where target.Length > 0 && !target.Contains("://", StringComparison.Ordinal)
            where !Path.Exists(Path.Combine(Path.GetDirectoryName(page)!, target))
            select $"{Path.GetRelativePath(Repository.Root, page)} -> {target}";

        Assert.Empty(broken);
    }

    [Fact]
    public void EveryAnchor_IsAHeading()
    {
        var headings = Pages.Distinct().ToDictionary(Path.GetFullPath, page => AnchorsOf(File.ReadAllText(page)));
        var broken =
            from page in Pages.Distinct()
            from Match link in Link().Matches(File.ReadAllText(page))
            let target = link.Groups["target"].Value.Split('#')
            where target.Length == 2 && !target[0].Contains("://", StringComparison.Ordinal)
            let other = target[0].Length == 0 ? page : Path.Combine(Path.GetDirectoryName(page)!, target[0])
            where headings.TryGetValue(Path.GetFullPath(other), out var anchors) && !anchors.Contains(target[1])
            select $"{Path.GetRelativePath(Repository.Root, page)} -> {link.Groups["target"].Value}";

        Assert.Empty(broken);
    }

    /// <summary>As web pages of repositories make them: lower case, blanks as hyphens, without any other sign.</summary>
    private static HashSet<string> AnchorsOf(string page) =>
        [.. Heading().Matches(Fenced().Replace(page, "")).Select(match => NoneOfAnAnchor().Replace(match.Groups["text"].Value.Trim().ToLowerInvariant(), "").Replace(' ', '-'))];

    [GeneratedRegex("```csharp\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex CSharpBlock();

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex("^```.*?^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Fenced();

    [GeneratedRegex("^#+ (?<text>.*)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NoneOfAnAnchor();
}
