using System.ComponentModel.DataAnnotations;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;

namespace Millrace.Pipeline;

/// <summary>
/// Checks the <see cref="ValidationAttribute"/>s of a type and of its public properties, those on the parameters of a record's primary constructor included, then
/// <see cref="IValidatableObject"/>. Does not descend into the values of properties. The framework's own <see cref="Validator"/> finds members by the
/// run-time type, which trimming cannot follow; this one looks at <typeparamref name="T"/> only, once.
/// </summary>
internal sealed class DataAnnotationsValidator<[DynamicallyAccessedMembers(MessageType.Members)] T> : IMessageValidator<T>
{
    private readonly ValidationAttribute[] _typeRules;
    private readonly MemberRules[] _members;

    private DataAnnotationsValidator(ValidationAttribute[] typeRules, MemberRules[] members) => (_typeRules, _members) = (typeRules, members);

    /// <summary>The validator of the type, or null when the type has nothing to check.</summary>
    public static DataAnnotationsValidator<T>? TryCreate()
    {
        var parameters = typeof(T).GetConstructors().SelectMany(constructor => constructor.GetParameters()).ToArray();
        var members = new List<MemberRules>();
        foreach (var property in typeof(T).GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            if (property.GetMethod is null || property.GetIndexParameters().Length > 0)
            {
                continue;
            }

            // record Order([Range(1, 9)] int Quantity) puts the attribute on the parameter.
            var parameter = Array.Find(parameters, candidate => candidate.Name == property.Name && candidate.ParameterType == property.PropertyType);
            var rules = property.GetCustomAttributes<ValidationAttribute>(inherit: true)
                .Concat(parameter?.GetCustomAttributes<ValidationAttribute>(inherit: true) ?? [])
                .OrderByDescending(rule => rule is RequiredAttribute)
                .ToArray();
            if (rules.Length > 0)
            {
                members.Add(new MemberRules(property, property.GetCustomAttribute<DisplayAttribute>()?.GetName() ?? property.Name, rules));
            }
        }

        var typeRules = typeof(T).GetCustomAttributes<ValidationAttribute>(inherit: true).ToArray();
        return typeRules.Length > 0 || members.Count > 0 || typeof(T).IsAssignableTo(typeof(IValidatableObject))
            ? new DataAnnotationsValidator<T>(typeRules, [.. members])
            : null;
    }

    public ValueTask<IReadOnlyList<MessageProblem>> ValidateAsync(T message, CancellationToken cancellationToken)
    {
        object instance = message!;
        List<MessageProblem>? problems = null;
        foreach (var member in _members)
        {
            CheckMember(instance, member, ref problems);
        }

        // As the framework does: what concerns the whole is asked only when the parts are right.
        if (problems is null)
        {
            CheckWhole(instance, ref problems);
        }

        return new(problems ?? (IReadOnlyList<MessageProblem>)[]);
    }

    private static void CheckMember(object instance, MemberRules member, ref List<MessageProblem>? problems)
    {
        var value = member.Property.GetValue(instance);
        var context = ContextOf(instance, member.DisplayName, member.Property.Name);
        foreach (var rule in member.Rules)
        {
            if (rule.GetValidationResult(value, context) is { } failure)
            {
                Add(failure, member.Property.Name, ref problems);
                if (rule is RequiredAttribute)
                {
                    return;
                }
            }
        }
    }

    private void CheckWhole(object instance, ref List<MessageProblem>? problems)
    {
        var context = ContextOf(instance, typeof(T).Name, memberName: null);
        foreach (var rule in _typeRules)
        {
            if (rule.GetValidationResult(instance, context) is { } failure)
            {
                Add(failure, "", ref problems);
            }
        }

        if (instance is IValidatableObject validatable)
        {
            foreach (var failure in validatable.Validate(context))
            {
                if (failure is not null)
                {
                    Add(failure, "", ref problems);
                }
            }
        }
    }

    private static void Add(ValidationResult failure, string member, ref List<MessageProblem>? problems)
    {
        var named = string.Join(", ", failure.MemberNames);
        (problems ??= []).Add(new MessageProblem(named.Length > 0 ? named : member, failure.ErrorMessage ?? "is not valid"));
    }

    private static ValidationContext ContextOf(object instance, string displayName, string? memberName) =>
        new(instance, displayName, serviceProvider: null, items: null) { MemberName = memberName };

    private sealed record MemberRules(PropertyInfo Property, string DisplayName, ValidationAttribute[] Rules);
}
