using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Millrace.Tidy.Tests;

/// <summary>The files of the checkout that the tests were built from.</summary>
internal static class Repository
{
    private static readonly string[] SourceRoots = ["src", "backends", "apps", "samples", "tests", "bench"];
    private static readonly string[] BuildOutput = ["bin", "obj", "node_modules"];

    public static string Root { get; } = FindRoot();

    /// <summary>Every C# file, with its path from the root (with '/').</summary>
    public static IReadOnlyList<SourceFile> Sources { get; } = [.. FindFiles("*.cs").Select(path => new SourceFile(path))];

    public static IEnumerable<string> FindFiles(string pattern) =>
        SourceRoots
            .Select(root => Path.Combine(Root, root))
            .Where(Directory.Exists)
            .SelectMany(root => Directory.EnumerateFiles(root, pattern, SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/'))
            .Where(path => !path.Split('/').Intersect(BuildOutput).Any())
            .Order(StringComparer.Ordinal);

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Millrace.slnx")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("The tidy tests run from a checkout: no Millrace.slnx above " + AppContext.BaseDirectory);
    }
}

/// <summary>A C# file and its syntax.</summary>
internal sealed class SourceFile(string path)
{
    private CompilationUnitSyntax? _syntax;

    public string Path { get; } = path;

    /// <summary>Whether the file is part of what users run, not of tests or measurements.</summary>
    public bool IsProduct { get; } = !path.StartsWith("tests/", StringComparison.Ordinal)
        && !path.StartsWith("bench/", StringComparison.Ordinal)
        && !path.Contains("/tests/", StringComparison.Ordinal);

    public string[] Lines { get; } = File.ReadAllLines(System.IO.Path.Combine(Repository.Root, path));

    public CompilationUnitSyntax Syntax =>
        _syntax ??= CSharpSyntaxTree.ParseText(string.Join('\n', Lines), CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.Preview)).GetCompilationUnitRoot();

    public override string ToString() => Path;
}
