using Millrace.Server.Security;
using Millrace.Server.Security.Users;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Security;

public sealed class PermissionTests
{
    [Fact]
    public void May_OnlyWhatARuleAllows_WithWhatItNames()
    {
        var caller = CallerWith(new RoleRule
        {
            Allow = [Permission.Send, Permission.Receive],
            Queues = [TopicPattern.Parse("orders*")],
            Topics = [TopicPattern.Parse("price.?")],
        });

        Assert.True(caller.May(Permission.Send, ResourceKind.Queue, "orders-eu"));
        Assert.True(caller.May(Permission.Receive, ResourceKind.Topic, "price.7"));
        Assert.False(caller.May(Permission.Manage, ResourceKind.Queue, "orders-eu"));
        Assert.False(caller.May(Permission.Send, ResourceKind.Queue, "Orders"));
        Assert.False(caller.May(Permission.Send, ResourceKind.Topic, "orders-eu"));
        Assert.False(caller.May(Permission.Send, ResourceKind.Lock, "orders-eu"));
        Assert.False(caller.IsAdministrator);
    }

    [Theory]
    [InlineData("orders", "orders!dead", true)]
    [InlineData("ord*s", "orders!dead", true)]
    [InlineData("*dead", "orders!dead", false)]
    [InlineData("other", "orders!dead", false)]
    public void DeadLetters_AreCoveredByTheRuleOfTheirQueue(string rule, string queue, bool allowed) =>
        Assert.Equal(allowed, CallerWith(RuleOf(rule)).May(Permission.Receive, ResourceKind.Queue, queue));

    [Fact]
    public void Administrators_MayEverything_AndUsersWithoutRolesNothing()
    {
        var document = new UsersDocument([], []);
        var admin = new UserCaller(UsersFolder.User("ada", null, "admin"), document);
        var guest = new UserCaller(UsersFolder.User("bob"), document);

        Assert.True(admin.IsAdministrator && admin.May(Permission.Manage, ResourceKind.State, "x") && admin.MayAll(Permission.Receive, ResourceKind.Topic, "*"));
        Assert.False(guest.IsAdministrator || guest.May(Permission.Receive, ResourceKind.Queue, "x") || guest.MayAll(Permission.Receive, ResourceKind.Topic, "x"));
        Assert.False(Caller.Nobody.IsAdministrator || Caller.Nobody.May(Permission.Receive, ResourceKind.Queue, "x"));
    }

    [Theory]
    [InlineData("*", "anything.*.[a-z]?", true)]
    [InlineData("orders.*", "orders.*", true)]
    [InlineData("orders.*", "orders.eu.*", true)]
    [InlineData("orders.*", "orders.eu", true)]
    [InlineData("orders.*", "orders.[ab]?*z", true)]
    [InlineData("orders.*.new", "orders.eu.*.new", true)]
    [InlineData("a?c", "a[bx]c", true)]
    [InlineData("a[bx]c", "abc", true)]
    [InlineData("a[bx]c", "a[bx]c", true)]
    [InlineData("orders.*", "orders*", false)]
    [InlineData("orders.*", "*", false)]
    [InlineData("orders.eu", "orders.*", false)]
    [InlineData("a?c", "a*c", false)]
    [InlineData("a[bx]c", "a?c", false)]
    [InlineData("orders.*", "orders.\n", false)]
    public void MayAll_HoldsWhereItIsProven(string rule, string pattern, bool allowed) =>
        Assert.Equal(allowed, CallerWith(RuleOf(rule)).MayAll(Permission.Receive, ResourceKind.Topic, pattern));

    [Theory]
    [InlineData("orders*", "orders*", true)]
    [InlineData("orders", "orders!dead", true)]
    [InlineData("*d", "*d", false)]
    [InlineData("a?dead", "a?dead", false)]
    [InlineData("*", "*!dead", true)]
    [InlineData("a*x", "a*x", true)]
    public void MayAll_ForQueues_KeepsDeadLettersInMind(string rule, string pattern, bool allowed) =>
        Assert.Equal(allowed, CallerWith(RuleOf(rule)).MayAll(Permission.Receive, ResourceKind.Queue, pattern));

    [Fact]
    public void MayAll_OfRandomPatterns_NeverAllowsANameThatMayDoesNot()
    {
        var random = new Random(TestScale.Seed());
        var proven = 0;
        for (var round = 0; round < 30_000; round++)
        {
            var rule = Word(random, 1, 8);
            var pattern = random.Next(4) == 0 ? rule[..random.Next(1, rule.Length + 1)] + Word(random, 1, 4) : Word(random, 1, 8);
            var caller = CallerWith(RuleOf(rule));
            var parsed = TopicPattern.Parse(pattern);
            foreach (var kind in (ResourceKind[])[ResourceKind.Topic, ResourceKind.Queue])
            {
                if (!caller.MayAll(Permission.Receive, kind, pattern))
                {
                    continue;
                }

                proven++;
                for (var i = 0; i < 20; i++)
                {
                    var name = NameLike(random, pattern);
                    Assert.False(
                        parsed.Matches(name) && !caller.May(Permission.Receive, kind, name), $"{kind}: rule '{rule}' was said to cover '{pattern}', and not '{name}'");
                }
            }
        }

        Assert.True(proven > 1000, $"only {proven} patterns were proven");
    }

    // Follows the pattern, so that it often matches; with the letters of dead letters at the end, which are the trap.
    private static string NameLike(Random random, string pattern)
    {
        var name = string.Concat(pattern.Select(c => c switch
        {
            '*' => random.Next(3) == 0 ? "" : Word(random, 1, 3),
            '?' => Word(random, 1, 1),
            _ => random.Next(8) == 0 ? Word(random, 0, 2) : c.ToString(),
        }));
        return random.Next(4) switch { 0 => name + "!dead", 1 => name.Replace("]", "", StringComparison.Ordinal).Replace("[", "", StringComparison.Ordinal), _ => name };
    }

    private static string Word(Random random, int minimum, int maximum)
    {
        const string Letters = "ab!dea**?[]-!d";
        return new string([.. Enumerable.Range(0, random.Next(minimum, maximum + 1)).Select(_ => Letters[random.Next(Letters.Length)])]) is { Length: > 0 } word
            ? random.Next(10) == 0 ? word + "!dead" : word
            : "";
    }

    private static RoleRule RuleOf(string pattern) => new()
    {
        Allow = [Permission.Receive],
        Queues = [TopicPattern.Parse(pattern)],
        Topics = [TopicPattern.Parse(pattern)],
    };

    private static UserCaller CallerWith(RoleRule rule)
    {
        var document = new UsersDocument([], [new RoleEntry("role", [rule])]);
        return new UserCaller(UsersFolder.User("user", null, "role"), document);
    }
}
