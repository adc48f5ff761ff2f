using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace Millrace.Tidy.Tests;

/// <summary>Habits that the compiler does not check.</summary>
public sealed partial class CodeTests
{
    private const int MaxFileLines = 500;
    private const int MaxMethodLines = 70;

    /// <summary>Files that may be longer, each with its reason.</summary>
    private static readonly Dictionary<string, string> LongFiles = [];

    /// <summary>Files that may block a thread, each with its reason.</summary>
    private static readonly Dictionary<string, string> BlockingFiles = new()
    {
        ["src/Millrace/Streams/BlockingStreams.cs"] = "The synchronous forms of streams, for callers that cannot await; they run on the thread pool, so no context can deadlock.",
    };

    [Fact]
    public void Files_FitInAHead()
    {
        var wrong = Repository.Sources
            .Where(file => file.Lines.Length > MaxFileLines && !LongFiles.ContainsKey(file.Path))
            .Select(file => $"{file.Path}: {file.Lines.Length} lines, the limit is {MaxFileLines}");

        Assert.Empty(wrong);
    }

    [Fact]
    public void Methods_FitOnAScreen()
    {
        var wrong =
            from file in Repository.Sources
            from method in file.Syntax.DescendantNodes().OfType<BaseMethodDeclarationSyntax>()
            let span = method.SyntaxTree.GetLineSpan(method.Span)
            let lines = span.EndLinePosition.Line - span.StartLinePosition.Line + 1
            where lines > MaxMethodLines
            select $"{file.Path}:{span.StartLinePosition.Line + 1}: a method of {lines} lines, the limit is {MaxMethodLines}";

        Assert.Empty(wrong);
    }

    [Fact]
    public void Time_GoesThroughTimeProvider()
    {
        var wrong =
            from file in Repository.Sources.Where(file => file.IsProduct)
            from call in BareClocksIn(file.Syntax)
            select $"{file.Path}:{call.GetLocation().GetLineSpan().StartLinePosition.Line + 1}: {call}";

        Assert.Empty(wrong);
    }

    [Fact]
    public void Waiting_DoesNotBlockAThread()
    {
        var wrong =
            from file in Repository.Sources.Where(file => file.IsProduct && !BlockingFiles.ContainsKey(file.Path))
            from node in file.Syntax.DescendantNodes()
            where node is MemberAccessExpressionSyntax { Name.Identifier.Text: "GetResult", Expression: InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax { Name.Identifier.Text: "GetAwaiter" } } }
                || (node is MethodDeclarationSyntax { ReturnType: PredefinedTypeSyntax { Keyword.Text: "void" } } method && method.Modifiers.Any(modifier => modifier.Text == "async"))
            select $"{file.Path}:{node.GetLocation().GetLineSpan().StartLinePosition.Line + 1}";

        Assert.Empty(wrong);
    }

    [Fact]
    public void NothingIsLeftForLater()
    {
        var wrong =
            from file in Repository.Sources
            where file.Path != "tests/Millrace.Tidy.Tests/CodeTests.cs"
            from line in file.Lines.Index()
            where Unfinished().IsMatch(line.Item)
            select $"{file.Path}:{line.Index + 1}: {line.Item.Trim()}";

        Assert.Empty(wrong);
    }

    [Fact]
    public void LogMessages_StandInOneFile_WithIdsUsedOnce()
    {
        var messages = (
            from file in Repository.Sources.Where(file => file.IsProduct)
            from attribute in file.Syntax.DescendantNodes().OfType<AttributeSyntax>()
            where attribute.Name.ToString() is "LoggerMessage"
            select (file.Path, Id: attribute.ArgumentList!.Arguments[0].ToString())).ToList();

        Assert.All(messages, message => Assert.EndsWith("/LogMessages.cs", message.Path, StringComparison.Ordinal));
        Assert.Empty(messages.GroupBy(message => (message.Path, message.Id)).Where(group => group.Count() > 1).Select(group => group.Key));
    }

    private static IEnumerable<SyntaxNode> BareClocksIn(SyntaxNode root)
    {
        foreach (var node in root.DescendantNodes())
        {
            var bare = node switch
            {
                MemberAccessExpressionSyntax { Expression: var type, Name.Identifier.Text: "UtcNow" or "Now" } =>
                    type.ToString() is "DateTime" or "DateTimeOffset",
                InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax { Name.Identifier.Text: "Sleep" } sleep } => sleep.Expression.ToString() == "Thread",
                InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax { Name.Identifier.Text: "Delay" } delay } call =>
                    delay.Expression.ToString() == "Task" && !call.ArgumentList.Arguments.Any(argument => NamesAClock(argument.ToString())),
                ObjectCreationExpressionSyntax creation => creation.Type.ToString() is "Timer" or "PeriodicTimer"
                    && !(creation.ArgumentList?.Arguments.Any(argument => NamesAClock(argument.ToString())) ?? false),
                _ => false,
            };
            if (bare)
            {
                yield return node;
            }
        }
    }

    private static bool NamesAClock(string argument) =>
        argument.Contains("time", StringComparison.OrdinalIgnoreCase) || argument.Contains("clock", StringComparison.OrdinalIgnoreCase);

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|XXX)\b|NotImplementedException|catch\s*\{\s*\}|catch\s*\(Exception\)\s*\{\s*\}")]
    private static partial Regex Unfinished();
}
